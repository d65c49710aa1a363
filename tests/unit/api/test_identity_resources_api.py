"""Users, projects, roles, grants, domains and the catalog over REST."""
import pytest

from tests.unit.identity import identity_cloud


@pytest.fixture
def deps(tmp_path):
    deps = identity_cloud.make_deps(tmp_path)
    yield deps
    deps.db.close()


@pytest.fixture
def admin(deps):
    return identity_cloud.Client(identity_cloud.make_application(deps)).login()


@pytest.fixture
def project(admin):
    return admin.ask("POST", "/v3/projects", {"project": {"name": "engine", "description": "d"}}, status=201)["project"]


@pytest.fixture
def user(admin, project):
    """ada, a member of engine."""
    user = admin.ask("POST", "/v3/users", {"user": {"name": "ada", "password": "analytical", "email": "a@b.c"}}, status=201)["user"]
    admin.ask("PUT", f"/v3/projects/{project['id']}/users/{user['id']}/roles/{role_id(admin, 'member')}", status=204)
    return user


def role_id(client, name: str) -> str:
    return client.ask("GET", f"/v3/roles?name={name}")["roles"][0]["id"]


def test_project_life(admin, project):
    path = f"/v3/projects/{project['id']}"
    assert project == {"id": project["id"], "name": "engine", "description": "d", "enabled": True, "domain_id": "default", "parent_id": "default",
                       "is_domain": False, "tags": [], "options": {}, "links": {"self": f"{identity_cloud.URL}{path}"}}
    assert admin.ask("GET", path)["project"] == project
    changed = admin.ask("PATCH", path, {"project": {"name": "motor", "enabled": False, "color": "red"}})["project"]
    assert (changed["name"], changed["enabled"], changed["color"]) == ("motor", False, "red")
    assert admin.ask("PATCH", path, {"project": {"color": None}})["project"].get("color") is None
    assert [p["name"] for p in admin.ask("GET", "/v3/projects?enabled=false")["projects"]] == ["motor"]
    assert [p["name"] for p in admin.ask("GET", "/v3/projects?name=motor&domain_id=default")["projects"]] == ["motor"]
    admin.ask("DELETE", path, status=204)
    assert admin.ask("GET", path, status=404)["error"]["message"] == f"Could not find project: {project['id']}."
    admin.ask("DELETE", path, status=404)


@pytest.mark.parametrize(("body", "status"), [
    ({"project": {}}, 400), ({"project": {"name": ""}}, 400), ({"project": {"name": "x" * 65}}, 400),
    ({"project": {"name": "a", "enabled": "yes"}}, 400),
    ({}, 400), ({"project": {"name": "engine"}}, 409), ({"project": {"name": "a", "domain_id": "other"}}, 404),
    ({"project": {"name": "a", "parent_id": "other"}}, 400), ({"project": {"name": "a", "is_domain": True}}, 403),
    ({"project": {"name": "a", "tags": ["x,y"]}}, 400)])
def test_bad_projects(admin, project, body, status):
    admin.ask("POST", "/v3/projects", body, status=status)


def test_user_life(admin, user, project):
    path = f"/v3/users/{user['id']}"
    assert "password" not in user and "password_hash" not in user
    assert (user["email"], user["enabled"], user["domain_id"]) == ("a@b.c", True, "default")
    assert admin.ask("PATCH", path, {"user": {"name": "lovelace", "email": None, "default_project_id": project["id"]}})["user"]["name"] == "lovelace"
    shown = admin.ask("GET", path)["user"]
    assert "email" not in shown and shown["default_project_id"] == project["id"]
    assert [p["name"] for p in admin.ask("GET", f"{path}/projects")["projects"]] == ["engine"]
    assert admin.ask("GET", f"{path}/groups")["groups"] == []
    assert [u["name"] for u in admin.ask("GET", "/v3/users?name=lovelace&enabled=true&domain_id=default")["users"]] == ["lovelace"]
    admin.ask("DELETE", path, status=204)
    admin.ask("GET", path, status=404)


def test_names_are_unique_and_case_sensitive(admin, user):
    admin.ask("POST", "/v3/users", {"user": {"name": "ada", "password": "x"}}, status=409)
    other = admin.ask("POST", "/v3/users", {"user": {"name": "Ada", "password": "x"}}, status=201)["user"]
    admin.ask("PATCH", f"/v3/users/{other['id']}", {"user": {"name": "ada"}}, status=409)


def test_members_see_themselves_and_nobody_else(admin, user, project):
    ada = admin.login("ada", "analytical", "engine")
    assert ada.ask("GET", f"/v3/users/{user['id']}")["user"]["name"] == "ada"
    assert ada.ask("GET", f"/v3/projects/{project['id']}")["project"]["name"] == "engine"
    admin_id = admin.ask("GET", "/v3/users?name=admin")["users"][0]["id"]
    for method, path in (("GET", "/v3/users"), ("GET", f"/v3/users/{admin_id}"), ("GET", "/v3/projects"), ("GET", "/v3/roles"),
                         ("GET", "/v3/users/x"), ("GET", "/v3/role_assignments"), ("DELETE", f"/v3/users/{user['id']}"), ("GET", "/v3/domains"),
                         ("GET", f"/v3/users/{admin_id}/projects"), ("GET", "/v3/projects/x")):
        message = ada.ask(method, path, status=403)["error"]["message"]
        assert message.startswith("You are not authorized to perform the requested action: identity:")


def test_own_password(admin, user):
    ada = admin.login("ada", "analytical", "engine")
    path = f"/v3/users/{user['id']}/password"
    ada.ask("POST", path, {"user": {"original_password": "wrong", "password": "new"}}, status=401)
    ada.ask("POST", path, {"user": {"original_password": "analytical"}}, status=400)
    ada.ask("POST", path, {"user": {"original_password": "analytical", "password": "new"}}, status=204)
    assert ada.send("GET", "/v3/auth/projects").status_int == 401
    admin.login("ada", "new", "engine")


def test_pages(admin):
    for number in range(5):
        admin.ask("POST", "/v3/projects", {"project": {"name": f"p{number}"}}, status=201)
    seen, path = [], "/v3/projects?limit=2"
    while path:
        answer = admin.ask("GET", path)
        assert len(answer["projects"]) <= 2
        seen += [p["name"] for p in answer["projects"]]
        path = (answer["links"]["next"] or "").removeprefix(identity_cloud.URL)
    assert sorted(seen) == ["admin", "p0", "p1", "p2", "p3", "p4"]


def test_role_life(admin):
    role = admin.ask("POST", "/v3/roles", {"role": {"name": "auditor"}}, status=201)["role"]
    admin.ask("POST", "/v3/roles", {"role": {"name": "auditor"}}, status=409)
    assert admin.ask("PATCH", f"/v3/roles/{role['id']}", {"role": {"description": "looks"}})["role"]["description"] == "looks"
    admin.ask("DELETE", f"/v3/roles/{role['id']}", status=204)
    admin.ask("GET", f"/v3/roles/{role['id']}", status=404)


def test_grants(admin, user, project):
    path = f"/v3/projects/{project['id']}/users/{user['id']}/roles"
    assert [role["name"] for role in admin.ask("GET", path)["roles"]] == ["member"]
    reader = role_id(admin, "reader")
    assert admin.send("HEAD", f"{path}/{reader}").status_int == 404
    admin.ask("PUT", f"{path}/{reader}", status=204)
    admin.ask("PUT", f"{path}/{reader}", status=204)
    assert admin.send("HEAD", f"{path}/{reader}").status_int == 204
    admin.ask("DELETE", f"{path}/{reader}", status=204)
    admin.ask("DELETE", f"{path}/{reader}", status=404)
    admin.ask("PUT", f"{path}/nothing", status=404)
    admin.ask("PUT", f"/v3/projects/nothing/users/{user['id']}/roles/{reader}", status=404)
    admin.ask("PUT", f"/v3/projects/{project['id']}/users/nobody/roles/{reader}", status=404)
    for target in ("domains/default", "system"):
        admin.ask("PUT", f"/v3/{target}/users/{user['id']}/roles/{reader}", status=204)
        assert [role["name"] for role in admin.ask("GET", f"/v3/{target}/users/{user['id']}/roles")["roles"]] == ["reader"]
    token = admin.send("POST", "/v3/auth/tokens", identity_cloud.login_body("ada", "analytical", {"domain": {"name": "Default"}})).json["token"]
    assert token["domain"] == {"id": "default", "name": "Default"} and [role["name"] for role in token["roles"]] == ["reader"]


def test_role_assignments(admin, user, project):
    found = admin.ask("GET", f"/v3/role_assignments?user.id={user['id']}&include_names")["role_assignments"]
    assert [(a["role"]["name"], a["user"]["name"], a["scope"]["project"]["name"]) for a in found] == [("member", "ada", "engine")]
    assert found[0]["user"]["domain"] == {"id": "default", "name": "Default"}
    plain = admin.ask("GET", f"/v3/role_assignments?scope.project.id={project['id']}")["role_assignments"]
    assert [a["user"] for a in plain] == [{"id": user["id"]}] and plain[0]["scope"] == {"project": {"id": project["id"]}}
    effective = admin.ask("GET", f"/v3/role_assignments?user.id={user['id']}&effective&include_names=True")["role_assignments"]
    assert sorted(a["role"]["name"] for a in effective) == ["member", "reader"]
    reader = role_id(admin, "reader")
    assert len(admin.ask("GET", f"/v3/role_assignments?user.id={user['id']}&effective&role.id={reader}")["role_assignments"]) == 1
    assert [a["scope"] for a in admin.ask("GET", "/v3/role_assignments?scope.system=all")["role_assignments"]] == [{"system": {"all": True}}]
    assert admin.ask("GET", "/v3/role_assignments?group.id=x")["role_assignments"] == []


def test_role_inferences(admin):
    found = admin.ask("GET", "/v3/role_inferences")["role_inferences"]
    assert [(i["prior_role"]["name"], [r["name"] for r in i["implies"]]) for i in found] == [
        ("admin", ["manager"]), ("manager", ["member"]), ("member", ["reader"])]
    assert admin.ask("GET", f"/v3/roles/{role_id(admin, 'reader')}/implies")["role_inference"]["implies"] == []


def test_domains(admin):
    assert [d["name"] for d in admin.ask("GET", "/v3/domains")["domains"]] == ["Default"]
    assert len(admin.ask("GET", "/v3/domains?name=Default")["domains"]) == 1
    assert admin.ask("GET", "/v3/domains?name=other")["domains"] == []
    assert admin.ask("GET", "/v3/domains/default")["domain"]["enabled"] is True
    admin.ask("GET", "/v3/domains/other", status=404)
    assert "one domain" in admin.ask("POST", "/v3/domains", {"domain": {"name": "x"}}, status=403)["error"]["message"]
    admin.ask("DELETE", "/v3/domains/default", status=403)
    admin.ask("DELETE", "/v3/domains/other", status=404)


def test_catalog_resources(admin):
    services = admin.ask("GET", "/v3/services")["services"]
    image = admin.ask("GET", "/v3/services?type=image")["services"]
    assert len(services) == 4 and len(image) == 1
    assert admin.ask("GET", f"/v3/services/{image[0]['id']}")["service"] == image[0]
    endpoints = admin.ask("GET", f"/v3/endpoints?service_id={image[0]['id']}&interface=public")["endpoints"]
    assert [e["url"] for e in endpoints] == ["http://cloud.test/image"]
    assert admin.ask("GET", f"/v3/endpoints/{endpoints[0]['id']}")["endpoint"] == endpoints[0]
    assert [r["id"] for r in admin.ask("GET", "/v3/regions")["regions"]] == ["RegionOne"]
    admin.ask("GET", "/v3/regions/other", status=404)
    admin.ask("GET", "/v3/services/other", status=404)
    admin.ask("GET", "/v3/endpoints/other", status=404)
    assert admin.ask("GET", "/v3/groups")["groups"] == []
    admin.ask("GET", "/v3/groups/x", status=404)
