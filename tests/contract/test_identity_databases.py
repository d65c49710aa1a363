"""The identity service does the same on SQLite, PostgreSQL and MariaDB."""
import pytest

from nova_lite import concurrency
from tests.unit.identity import identity_cloud


@pytest.fixture
def deps(database_url, tmp_path):
    deps = identity_cloud.make_deps(tmp_path, database=database_url)
    yield deps
    deps.db.close()


@pytest.fixture
def admin(deps):
    return identity_cloud.Client(identity_cloud.make_application(deps)).login()


def test_a_member_comes_and_goes(admin):
    project = admin.ask("POST", "/v3/projects", {"project": {"name": "engine", "tags": ["a"]}}, status=201)["project"]
    user = admin.ask("POST", "/v3/users", {"user": {"name": "ada", "password": "analytical"}}, status=201)["user"]
    for name, status in (("ada", 409), ("Ada", 201)):
        admin.ask("POST", "/v3/users", {"user": {"name": name, "password": "x"}}, status=status)
    member = admin.ask("GET", "/v3/roles?name=member")["roles"][0]["id"]
    grant = f"/v3/projects/{project['id']}/users/{user['id']}/roles/{member}"
    for _ in range(2):
        admin.ask("PUT", grant, status=204)
    ada = admin.login("ada", "analytical", "engine")
    assert ada.ask("GET", f"/v3/projects/{project['id']}")["project"]["tags"] == ["a"]
    unscoped = admin.login("ada", "analytical", "unscoped")
    assert [p["name"] for p in unscoped.ask("GET", "/v3/auth/projects")["projects"]] == ["engine"]
    found = admin.ask("GET", f"/v3/role_assignments?user.id={user['id']}&include_names")["role_assignments"]
    assert [a["scope"]["project"]["name"] for a in found] == ["engine"]
    admin.ask("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": unscoped.token}, status=204)
    unscoped.ask("GET", "/v3/auth/projects", status=401)
    admin.ask("DELETE", grant, status=204)
    ada.ask("GET", "/v3/auth/projects", status=401)
    admin.ask("DELETE", f"/v3/users/{user['id']}", status=204)
    admin.ask("DELETE", f"/v3/projects/{project['id']}", status=204)
    assert [p["name"] for p in admin.ask("GET", "/v3/projects")["projects"]] == ["admin"]


def test_many_at_once_make_one_user_and_one_grant(admin):
    project = admin.ask("GET", "/v3/projects")["projects"][0]["id"]
    reader = admin.ask("GET", "/v3/roles?name=reader")["roles"][0]["id"]

    def create(_):
        return admin.send("POST", "/v3/users", {"user": {"name": "ada", "password": "x"}}).status_int

    assert sorted(concurrency.map_parallel(create, range(6))) == [201, 409, 409, 409, 409, 409]
    user = admin.ask("GET", "/v3/users?name=ada")["users"][0]["id"]

    def grant(_):
        return admin.send("PUT", f"/v3/projects/{project}/users/{user}/roles/{reader}").status_int

    assert concurrency.map_parallel(grant, range(6)) == [204] * 6
    assert len(admin.ask("GET", f"/v3/role_assignments?user.id={user}")["role_assignments"]) == 1
