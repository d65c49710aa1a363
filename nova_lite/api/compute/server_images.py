"""``POST /servers/{id}/action``: createImage, createBackup."""
from nova_lite.api.body import Body, Param
from nova_lite.api.compute import values
from nova_lite.api.compute.server_actions import PATH
from nova_lite.api.resource import Route
from nova_lite.compute.actions import snapshot


def create_image(request, id):
    """The image's id in the body from 2.45 on, in Location before."""
    asked = request.body["createImage"]
    metadata = _metadata(request, asked)
    return _answer(request, snapshot.snapshot(request.deps, request.ctx, id, asked["name"].strip(), metadata))


def create_backup(request, id):
    """The same; without Location where no backup is kept."""
    asked = request.body["createBackup"]
    metadata, rotation = _metadata(request, asked), int(asked["rotation"])
    image_id = snapshot.backup(request.deps, request.ctx, id, asked["name"].strip(), asked["backup_type"], rotation, metadata)
    return _answer(request, image_id, located=rotation > 0)


def _metadata(request, asked: dict) -> dict:
    metadata = asked.get("metadata", {})
    if not request.at_least("2.39"):
        snapshot.check_quota(request.deps, metadata)
    return metadata


def _answer(request, image_id: str, located: bool = True) -> dict | None:
    if request.at_least("2.45"):
        return {"image_id": image_id}
    if located:
        request.headers["Location"] = f"{request.base_url}/images/{image_id}"
    return None


ROUTES = (
    Route("POST", PATH, create_image, "os_compute_api:servers:create_image", 202, action="createImage", body=Body("createImage", (
        Param("name", values.NAME, required=True),
        Param("metadata", values.METADATA)))),
    Route("POST", PATH, create_backup, "os_compute_api:os-create-backup", 202, action="createBackup", body=Body("createBackup", (
        Param("name", values.NAME, required=True),
        Param("backup_type", values.TEXT, required=True),
        Param("rotation", values.NOT_NEGATIVE, required=True),
        Param("metadata", values.METADATA)))),
)
