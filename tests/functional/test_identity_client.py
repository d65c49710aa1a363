"""The unmodified ``openstack`` client against the identity service over HTTP."""
import pytest

from nova_lite import concurrency
from nova_lite.api import pipeline
from tests.functional import openstack_client
from tests.unit.identity import identity_cloud


@pytest.fixture
def admin(tmp_path):
    sock = concurrency.listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{sock.getsockname()[1]}"
    deps = identity_cloud.make_deps(tmp_path, base=base)
    application = pipeline.build({"/identity": identity_cloud.make_application(deps, None)}, list, bytes)
    with openstack_client.serving(sock, application):
        yield openstack_client.OpenStack(f"{base}/identity/v3", identity_cloud.PASSWORD)
    deps.db.close()


def test_projects_users_roles_and_tokens(admin):
    assert admin.json("token", "issue")["id"].startswith("gAAAA")
    project = admin.json("project", "create", "engine", "--description", "analytical")
    user = admin.json("user", "create", "ada", "--password", "analytical", "--project", "engine")
    admin.run("role", "add", "--user", "ada", "--project", "engine", "member")
    assignments = admin.json("role", "assignment", "list", "--user", "ada", "--names")
    assert [(a["Role"], a["User"], a["Project"]) for a in assignments] == [("member", "ada@Default", "engine@Default")]
    assert {p["Name"] for p in admin.json("project", "list")} == {"admin", "engine"}
    assert {u["Name"] for u in admin.json("user", "list")} == {"admin", "ada"}
    ada = openstack_client.OpenStack(admin.environment["OS_AUTH_URL"], "analytical", "ada", "engine")
    assert ada.json("token", "issue")["project_id"] == project["id"]
    assert "403" in ada.run("user", "list", fails=True)
    admin.run("user", "set", "ada", "--disable")
    assert "HTTP 401" in ada.run("token", "issue", fails=True)
    admin.run("user", "delete", user["id"])
    admin.run("project", "delete", "engine")
    assert "engine" not in admin.run("project", "list")


def test_catalog_domains_and_discovery(admin):
    services = {entry["Name"]: entry["Type"] for entry in admin.json("catalog", "list")}
    assert services["nova-lite-identity"] == "identity"
    assert [d["Name"] for d in admin.json("domain", "list")] == ["Default"]
    assert {r["Name"] for r in admin.json("role", "list")} == {"admin", "manager", "member", "reader", "service"}
    assert admin.json("endpoint", "list", "--service", "identity")
    versions = admin.json("versions", "show", "--service", "identity")
    assert [v["Status"] for v in versions] == ["CURRENT"] * len(versions) and versions[0]["Version"] == "3.14"
    unscoped = openstack_client.OpenStack(admin.environment["OS_AUTH_URL"], identity_cloud.PASSWORD)
    del unscoped.environment["OS_PROJECT_NAME"], unscoped.environment["OS_PROJECT_DOMAIN_ID"]
    unscoped.environment["OS_SYSTEM_SCOPE"] = "all"
    assert unscoped.json("token", "issue")["user_id"]
