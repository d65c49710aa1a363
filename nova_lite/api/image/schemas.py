"""The schema documents, made from the table of attributes."""
from nova_lite.api.resource import Request, Route
from nova_lite.image import attributes
from nova_lite.image.actions import members

LINKS = [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}]
TEXT = {"type": "string"}
MEMBER = {
    "name": "member",
    "properties": {
        "created_at": {**TEXT, "description": "Date and time of image member creation"},
        "image_id": {**TEXT, "pattern": attributes.ID_PATTERN, "description": "An identifier for the image"},
        "member_id": {**TEXT, "description": "An identifier for the image member (project id)"},
        "status": {**TEXT, "enum": list(members.STATUSES), "description": "The status of this image member"},
        "updated_at": {**TEXT, "description": "Date and time of last modification of image member"},
        "schema": {**TEXT, "readOnly": True}}}


def _property(attribute: attributes.Attribute) -> dict:
    return {**attribute.schema, "description": attribute.description} | ({"readOnly": True} if attribute.read_only else {})


IMAGE = {"name": "image", "properties": {attribute.name: _property(attribute) for attribute in attributes.TABLE},
         "additionalProperties": TEXT, "links": LINKS}


def _collection(name: str, item: dict, paged: bool) -> dict:
    properties = {name: {"type": "array", "items": item}, "schema": TEXT}
    if not paged:
        return {"name": name, "properties": properties, "links": [{"rel": "describedby", "href": "{schema}"}]}
    properties |= {"first": TEXT, "next": TEXT}
    return {"name": name, "properties": properties,
            "links": [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"}]}


DOCUMENTS = {"image": IMAGE, "images": _collection("images", IMAGE, paged=True),
             "member": MEMBER, "members": _collection("members", MEMBER, paged=False)}


def _handler(document: dict):
    def show(_request: Request) -> dict:
        return document
    return show


ROUTES = tuple(Route("GET", f"/v2/schemas/{name}", _handler(document), "get_images") for name, document in DOCUMENTS.items())
