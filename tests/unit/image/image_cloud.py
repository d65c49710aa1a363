"""A private image service for tests: database, store and API in a folder; callers by the noauth strategy."""
import hashlib
import json
import pathlib

from nova_lite import context, policy
from nova_lite.api import image as api
from nova_lite.api.image import service_access
from nova_lite.api.middleware import auth
from nova_lite.db import engine
from nova_lite.image import store
from nova_lite.image.deps import Deps
from tests.unit.identity import identity_cloud

PATCH = "application/openstack-images-v2.1-json-patch"
SECRET = "shared by all daemons"
ADMIN = "root:operations:admin,member,reader"
ADA = "ada:engine:member,reader"
EVE = "eve:snake:member,reader"
READER = "bob:engine:reader"


def make_deps(folder, database: str | None = None, **settings) -> Deps:
    db = engine.Database(database or f"sqlite:///{folder}/image.db")
    db.create_all()
    return Deps(db, store.Store(f"{folder}/images"), **settings)


def make_application(deps: Deps, url: str | None = "http://cloud.test/image"):
    """The Image API behind its authentication, with the workers' side door."""
    application = api.application(deps, policy.Policy(), url)
    return service_access.ServiceAccess(application, auth.TokenAuth(application, auth.believe, "http://cloud.test/identity", api.PUBLIC), SECRET)


def context_of(who: str) -> context.RequestContext:
    return auth.believe(who, "req-test")


def files(deps: Deps) -> list[str]:
    """The names of all that lies in the store, its id left out."""
    folder = pathlib.Path(deps.store.folder)
    return sorted(path.name for path in folder.iterdir() if path.name != store.ID_FILE) if folder.is_dir() else []


class Client(identity_cloud.Client):
    """A caller of the Image API."""

    def create(self, **attributes) -> dict:
        return self.ask("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare", **attributes}, status=201)

    def upload(self, image_id: str, data: bytes, status: int = 204):
        response = self.send("PUT", f"/v2/images/{image_id}/file", data=data, headers={"Content-Type": "application/octet-stream"})
        assert response.status_int == status, response.text
        return response

    def patch(self, image_id: str, *changes: dict, status: int = 200):
        response = self.send("PATCH", f"/v2/images/{image_id}", data=json.dumps(changes).encode(), headers={"Content-Type": PATCH})
        assert response.status_int == status, response.text
        return response.json if status == 200 else response.text

    def show(self, image_id: str) -> dict:
        return self.ask("GET", f"/v2/images/{image_id}")

    def names(self, query: str = "") -> list[str]:
        return [image["name"] for image in self.ask("GET", f"/v2/images?{query}")["images"]]


def sha512(data: bytes) -> str:
    return hashlib.sha512(data).hexdigest()


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
