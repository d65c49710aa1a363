"""The first start, again and again; and what the room itself computes."""
import pytest

from nova_lite import exception
from nova_lite.db import identity as db
from nova_lite.db.models.identity import Project, Role, RoleAssignment, User
from nova_lite.identity import domains, roles
from nova_lite.identity.actions import bootstrap
from nova_lite.identity.actions import roles as role_actions
from nova_lite.identity.actions import tokens as actions
from tests.unit.identity import identity_cloud


@pytest.fixture
def deps(tmp_path):
    deps = identity_cloud.make_deps(tmp_path)
    yield deps
    deps.db.close()


def _everything(deps):
    with deps.db.read() as tx:
        return [sorted(row.id for row in db.list_all(tx, model, {})) for model in (User, Project, Role)] + [
            len(db.list_assignments(tx, {}))]


def test_bootstrap_is_idempotent_and_keeps_the_password(deps):
    before = _everything(deps)
    _, created = bootstrap.bootstrap(deps, "another")
    assert not created and _everything(deps) == before
    actions.issue(deps, identity_cloud.login_body()["auth"])
    with pytest.raises(exception.Unauthorized):
        actions.issue(deps, identity_cloud.login_body(password="another")["auth"])


def test_bootstrap_mends_what_is_missing(deps):
    with deps.db.write() as tx:
        role = db.find(tx, Role, name="reader")
        db.delete_role(tx, role.id)
    bootstrap.bootstrap(deps, "another")
    assert {role.name for role in role_actions.list_all(deps, {}, db.Page())} == {"admin", "manager", "member", "reader", "service"}


@pytest.mark.parametrize(("names", "expected"), [
    ([], ()), (["reader"], ("reader",)), (["member"], ("member", "reader")), (["admin"], ("admin", "manager", "member", "reader")),
    (["service", "reader"], ("reader", "service"))])
def test_roles_imply_roles(names, expected):
    assert roles.expand(names) == expected


@pytest.mark.parametrize(("reference", "expected"), [
    (None, "default"), ({"id": "default"}, "default"), ({"name": "Default"}, "default"), ({"id": "x"}, None), ({"name": "x"}, None), ({}, None)])
def test_domain_references(reference, expected):
    assert domains.resolve(reference) == expected


def test_granting_twice_is_one_assignment(deps):
    with deps.db.read() as tx:
        user, project, role = (db.find(tx, model, name=name) for model, name in ((User, "admin"), (Project, "admin"), (Role, "reader")))
    for _ in range(2):
        role_actions.grant(deps, user.id, "project", project.id, role.id)
    with deps.db.read() as tx:
        assert len([row for row in db.list_assignments(tx, {"role_id": role.id}) if isinstance(row[0], RoleAssignment)]) == 1
