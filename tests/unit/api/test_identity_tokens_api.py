"""POST, GET, HEAD and DELETE /v3/auth/tokens, discovery, and what needs no token."""
import pytest

from tests.unit.identity import identity_cloud


@pytest.fixture
def deps(tmp_path):
    deps = identity_cloud.make_deps(tmp_path)
    yield deps
    deps.db.close()


@pytest.fixture
def anonymous(deps):
    return identity_cloud.Client(identity_cloud.make_application(deps))


@pytest.fixture
def admin(anonymous):
    return anonymous.login()


def test_discovery(anonymous):
    for path in ("/", ""):
        values = anonymous.ask("GET", path or "/", status=300)["versions"]["values"]
        assert [(v["id"], v["status"], v["links"][0]["href"]) for v in values] == [("v3.14", "stable", f"{identity_cloud.URL}/v3/")]
    for path in ("/v3", "/v3/"):
        assert anonymous.ask("GET", path)["version"]["links"] == [{"rel": "self", "href": f"{identity_cloud.URL}/v3/"}]


def test_token_body(anonymous):
    response = anonymous.send("POST", "/v3/auth/tokens", identity_cloud.login_body())
    assert response.status_int == 201
    assert response.headers["Content-Type"] == "application/json" and response.headers["Vary"] == "X-Auth-Token"
    token = response.json["token"]
    assert set(token) == {"methods", "user", "audit_ids", "expires_at", "issued_at", "project", "is_domain", "roles", "catalog"}
    assert token["project"]["name"] == "admin" and token["project"]["domain"] == {"id": "default", "name": "Default"}
    assert [role["name"] for role in token["roles"]] == ["admin", "manager", "member", "reader"]
    assert token["expires_at"].endswith("Z") and len(token["expires_at"]) == 27
    image = next(entry for entry in token["catalog"] if entry["type"] == "image")
    assert {e["interface"] for e in image["endpoints"]} == {"public", "internal", "admin"}
    assert image["endpoints"][0]["url"] == "http://cloud.test/image" and image["endpoints"][0]["region"] == "RegionOne"
    bare = anonymous.send("POST", "/v3/auth/tokens?nocatalog", identity_cloud.login_body()).json["token"]
    assert "catalog" not in bare


def test_unscoped_token_has_no_roles(anonymous):
    token = anonymous.send("POST", "/v3/auth/tokens", identity_cloud.login_body(scope="unscoped")).json["token"]
    assert not {"roles", "catalog", "project"} & set(token)


def test_wrong_password_answer_is_keystones(anonymous):
    wrong = anonymous.send("POST", "/v3/auth/tokens", identity_cloud.login_body(password="x"))
    unknown = anonymous.send("POST", "/v3/auth/tokens", identity_cloud.login_body(name="x"))
    assert wrong.status_int == 401 and wrong.json == unknown.json
    assert wrong.json["error"] == {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}
    assert wrong.headers["WWW-Authenticate"] == f'Keystone uri="{identity_cloud.URL}"'


@pytest.mark.parametrize("body", [
    {}, {"auth": {}}, {"auth": {"identity": {}}}, {"auth": {"identity": {"methods": "password"}}}, {"auth": []},
    {"auth": {"identity": {"methods": ["password"]}}}, {"auth": {"identity": {"methods": ["password"], "password": {"user": {}}}}},
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {"name": "admin", "password": "x"}}}}},
    {"auth": {"identity": {"methods": ["password"], "password": {"user": {"id": 7, "password": "x"}}}}},
    {**identity_cloud.login_body(scope={"project": {"name": "admin"}})}, {**identity_cloud.login_body(scope={})} | {"x": 1},
    {**identity_cloud.login_body(scope={"project": {"id": "a"}, "domain": {"id": "default"}})}])
def test_malformed_logins_are_400(anonymous, body):
    assert anonymous.send("POST", "/v3/auth/tokens", body).status_int == 400


@pytest.mark.parametrize("methods", [["saml2"], [], ["password", "totp"]])
def test_unsupported_methods_are_401(anonymous, methods):
    body = identity_cloud.login_body()
    body["auth"]["identity"]["methods"] = methods
    assert anonymous.send("POST", "/v3/auth/tokens", body).status_int == 401


def test_an_expired_or_foreign_token_does_not_hinder_a_login(anonymous):
    client = identity_cloud.Client(anonymous.application, "garbage")
    assert client.send("POST", "/v3/auth/tokens", identity_cloud.login_body()).status_int == 201
    assert client.send("GET", "/v3/users").status_int == 401


def test_show_head_and_revoke(admin, anonymous):
    other = anonymous.login()
    headers = {"X-Subject-Token": other.token}
    shown = admin.send("GET", "/v3/auth/tokens", headers=headers)
    assert shown.status_int == 200 and shown.json["token"]["user"]["name"] == "admin" and shown.headers["X-Subject-Token"] == other.token
    head = admin.send("HEAD", "/v3/auth/tokens", headers=headers)
    assert head.status_int == 200 and head.body == b""
    assert admin.send("DELETE", "/v3/auth/tokens", headers=headers).status_int == 204
    assert admin.send("GET", "/v3/auth/tokens", headers=headers).status_int == 404
    assert other.send("GET", "/v3/users").status_int == 401
    assert admin.send("GET", "/v3/auth/tokens").status_int == 400


def test_strangers_learn_nothing_of_tokens(admin, anonymous):
    admin.ask("POST", "/v3/users", {"user": {"name": "eve", "password": "apple"}}, status=201)
    eve = anonymous.login("eve", "apple", None)
    for method in ("GET", "HEAD", "DELETE"):
        assert eve.send(method, "/v3/auth/tokens", headers={"X-Subject-Token": admin.token}).status_int == 403
        assert eve.send(method, "/v3/auth/tokens", headers={"X-Subject-Token": "garbage"}).status_int == 404
    assert eve.send("GET", "/v3/auth/tokens", headers={"X-Subject-Token": eve.token}).status_int == 200
    assert eve.send("DELETE", "/v3/auth/tokens", headers={"X-Subject-Token": eve.token}).status_int == 204
    assert eve.send("GET", "/v3/auth/projects").status_int == 401


def test_what_a_token_reaches(admin):
    assert [p["name"] for p in admin.ask("GET", "/v3/auth/projects")["projects"]] == ["admin"]
    assert [d["id"] for d in admin.ask("GET", "/v3/auth/domains")["domains"]] == ["default"]
    assert {s["type"] for s in admin.ask("GET", "/v3/auth/catalog")["catalog"]} == {"identity", "image", "compute", "block-storage"}
    assert admin.ask("GET", "/v3/auth/system")["system"] == [{"all": True}]


def test_no_token_is_401_and_unknown_paths_404(anonymous, admin):
    assert anonymous.send("GET", "/v3/users").status_int == 401
    assert anonymous.send("GET", "/v3/auth/tokens").status_int == 401
    assert admin.ask("GET", "/v3/nothing", status=404)["error"]["title"] == "Not Found"
    assert admin.send("PUT", "/v3/users", {}).status_int == 405
