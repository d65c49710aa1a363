"""Members of images: the projects with which an image is shared."""
from nova_lite import clock
from nova_lite.api.body import Body, Param
from nova_lite.api.resource import Request, Route
from nova_lite.db.models.image import ImageMember
from nova_lite.image.actions import members

ADD = Body(None, (Param("member", {"type": "string", "minLength": 1, "maxLength": 255}, required=True),))
ANSWER = Body(None, (Param("status", {"type": "string", "enum": list(members.STATUSES)}, required=True),))


def view(member: ImageMember) -> dict:
    """A share as the API shows it."""
    return {"member_id": member.member, "image_id": member.image_id, "status": member.status, "created_at": clock.isoformat(member.created_at),
            "updated_at": clock.isoformat(member.updated_at or member.created_at), "schema": "/v2/schemas/member"}


def list_all(request: Request, image_id: str) -> dict:
    found = members.list_all(request.deps, request.ctx, image_id)
    return {"members": [view(member) for member in found], "schema": "/v2/schemas/members"}


def add(request: Request, image_id: str) -> dict:
    return view(members.add(request.deps, request.ctx, image_id, request.body["member"]))


def show(request: Request, image_id: str, member_id: str) -> dict:
    return view(members.show(request.deps, request.ctx, image_id, member_id))


def answer(request: Request, image_id: str, member_id: str) -> dict:
    return view(members.answer(request.deps, request.ctx, image_id, member_id, request.body["status"]))


def remove(request: Request, image_id: str, member_id: str) -> None:
    members.remove(request.deps, request.ctx, image_id, member_id)


ROUTES = (
    Route("GET", "/v2/images/{image_id}/members", list_all, "get_members"),
    Route("POST", "/v2/images/{image_id}/members", add, "add_member", 200, ADD),
    Route("GET", "/v2/images/{image_id}/members/{member_id}", show, "get_members"),
    Route("PUT", "/v2/images/{image_id}/members/{member_id}", answer, "modify_member", 200, ANSWER),
    Route("DELETE", "/v2/images/{image_id}/members/{member_id}", remove, "delete_member", 204),
)
