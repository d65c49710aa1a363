"""What this image service offers: no import methods beside the upload, and one store."""
from nova_lite.api.resource import Request, Route


def list_import_methods(_request: Request) -> dict:
    return {"import-methods": {"description": "Import methods available.", "type": "array", "value": []}}


def list_stores(_request: Request) -> dict:
    return {"stores": [{"id": "file", "description": "Files on the host of the API", "default": "true"}]}


ROUTES = (
    Route("GET", "/v2/info/import", list_import_methods, "get_images"),
    Route("GET", "/v2/info/stores", list_stores, "get_images"),
)
