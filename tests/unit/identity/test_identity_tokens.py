"""Token texts, their keys, and what makes a token hold or not."""
import dataclasses
import os
import stat

import pytest

from nova_lite import clock, exception
from nova_lite.db import identity as db
from nova_lite.identity import keys, tokens
from nova_lite.identity.actions import projects, roles, users
from nova_lite.identity.actions import tokens as actions
from tests.unit.identity import identity_cloud


@pytest.fixture
def deps(tmp_path):
    deps = identity_cloud.make_deps(tmp_path)
    yield deps
    deps.db.close()


@pytest.fixture
def ada(deps):
    """A member of a project of her own: (user, project)."""
    project = projects.create(deps, "engine")
    user = users.create(deps, "ada", "analytical")
    member = next(role for role in roles.list_all(deps, {"name": "member"}, db.Page()))
    roles.grant(deps, user.id, "project", project.id, member.id)
    return user, project


def login(deps, name="ada", password="analytical", scope="engine"):
    return actions.issue(deps, identity_cloud.login_body(name, password, scope)["auth"])


def payload(**changes) -> tokens.Payload:
    now = clock.now()
    return dataclasses.replace(tokens.Payload("user", ("password",), "project", "p", now, now + clock.seconds(60), ("a", "b")), **changes)


def test_payload_survives_the_round_trip(tmp_path):
    codec = tokens.Codec(str(tmp_path / "keys"))
    sealed = codec.encode(payload())
    assert codec.decode(sealed).audit_ids == ("a", "b")
    same = payload(scope=None, scope_id=None)
    assert codec.decode(codec.encode(same)) == same
    assert len(sealed) < 400


@pytest.mark.parametrize("text", ["", "x", "gAAAAA", "\u00e9", "a" * 5000])
def test_garbage_is_unauthorized(tmp_path, text):
    with pytest.raises(exception.Unauthorized):
        tokens.Codec(str(tmp_path / "keys")).decode(text)


def test_one_changed_character_is_unauthorized(tmp_path):
    codec = tokens.Codec(str(tmp_path / "keys"))
    sealed = codec.encode(payload())
    forged = sealed[:40] + ("A" if sealed[40] != "A" else "B") + sealed[41:]
    with pytest.raises(exception.Unauthorized):
        codec.decode(forged)


def test_keys_are_for_their_owner_only_and_rotate(tmp_path):
    folder = str(tmp_path / "keys")
    codec = tokens.Codec(folder)
    first = codec.encode(payload())
    assert sorted(name for name in os.listdir(folder) if name.isdigit()) == ["0", "1"]
    for name in os.listdir(folder):
        assert stat.S_IMODE(os.stat(os.path.join(folder, name)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    staged = (tmp_path / "keys" / "0").read_bytes()
    keys.rotate(folder)
    assert keys.read(folder)[0] == staged
    second = codec.encode(payload())
    assert codec.decode(first) and codec.decode(second)
    keys.rotate(folder)
    assert len(keys.read(folder)) == 3
    assert codec.decode(second)
    with pytest.raises(exception.Unauthorized):
        codec.decode(first)


def test_a_second_process_reads_the_first_ones_tokens(tmp_path):
    folder = str(tmp_path / "keys")
    assert tokens.Codec(folder).decode(tokens.Codec(folder).encode(payload())).user_id == "user"


def test_validate_gives_the_context_with_implied_roles(deps, ada):
    user, project = ada
    token, _ = login(deps)
    ctx = actions.validate(deps, token, "req-1")
    assert (ctx.user_id, ctx.user_name, ctx.project_id, ctx.project_name, ctx.request_id) == (user.id, "ada", project.id, "engine", "req-1")
    assert ctx.roles == ("member", "reader") and not ctx.is_admin
    admin, _ = login(deps, "admin", identity_cloud.PASSWORD, "admin")
    ctx = actions.validate(deps, admin, "req-2")
    assert ctx.roles == ("admin", "manager", "member", "reader") and ctx.is_admin


def test_validate_sends_one_select(deps, ada):
    token, _ = login(deps)
    with deps.db.read() as tx:
        tx.connection()
        before = deps.db.statements
    actions.validate(deps, token, "req-1")
    begin = deps.db.statements - before
    with deps.db.read() as tx:
        before = deps.db.statements
        tx.connection()
        overhead = deps.db.statements - before
    assert begin - overhead == 1


def test_system_and_unscoped_tokens(deps):
    token, _ = login(deps, "admin", identity_cloud.PASSWORD, {"system": {"all": True}})
    ctx = actions.validate(deps, token, "req-1")
    assert ctx.system_scope == "all" and ctx.project_id is None and ctx.is_admin
    token, _ = login(deps, "admin", identity_cloud.PASSWORD, "unscoped")
    ctx = actions.validate(deps, token, "req-1")
    assert ctx.roles == () and ctx.project_id is None and not ctx.is_admin


def _disable_user(deps, user, project):
    users.update(deps, user.id, enabled=False)


def _disable_and_enable_user(deps, user, project):
    users.update(deps, user.id, enabled=False)
    users.update(deps, user.id, enabled=True)


def _delete_user(deps, user, project):
    users.delete(deps, user.id)


def _disable_project(deps, user, project):
    projects.update(deps, project.id, enabled=False)


def _delete_project(deps, user, project):
    projects.delete(deps, project.id)


def _change_password(deps, user, project):
    users.change_password(deps, user.id, "analytical", "difference")


def _take_role(deps, user, project):
    role = roles.list_grants(deps, user.id, "project", project.id)[0]
    roles.revoke_grant(deps, user.id, "project", project.id, role.id)


def _delete_role(deps, user, project):
    roles.delete(deps, roles.list_grants(deps, user.id, "project", project.id)[0].id)


@pytest.mark.parametrize("change", [_disable_user, _disable_and_enable_user, _delete_user, _disable_project, _delete_project,
                                    _change_password, _take_role, _delete_role])
def test_a_token_is_void_at_once(deps, ada, change):
    token, _ = login(deps)
    actions.validate(deps, token, "req-1")
    change(deps, *ada)
    with pytest.raises(exception.Unauthorized):
        actions.validate(deps, token, "req-1")


def test_revoking_voids_this_token_and_no_other(deps, ada):
    first, standing = login(deps)
    second, _ = login(deps)
    actions.revoke(deps, standing.payload)
    actions.revoke(deps, standing.payload)
    with pytest.raises(exception.Unauthorized):
        actions.validate(deps, first, "req-1")
    assert actions.validate(deps, second, "req-1").user_name == "ada"


def test_expired_tokens_are_void_and_their_revocations_forgotten(deps, ada):
    user, project = ada
    now = clock.now()
    old = tokens.Payload(user.id, ("password",), "project", project.id, now - clock.seconds(20), now - clock.seconds(10), ("old",))
    with pytest.raises(exception.Unauthorized):
        actions.validate(deps, deps.codec.encode(old), "req-1")
    with deps.db.write() as tx:
        db.revoke_token(tx, "old", old.expires_at)
    _, standing = login(deps)
    actions.revoke(deps, standing.payload)
    with deps.db.write() as tx:
        assert db.purge_revocations(tx, now + clock.seconds(1)) == 0
        assert db.purge_revocations(tx, now + clock.seconds(10000)) == 1


def test_a_token_from_a_token_keeps_expiry_and_falls_with_its_origin(deps, ada):
    token, standing = login(deps, scope="unscoped")
    auth = {"identity": {"methods": ["token"], "token": {"id": token}}, "scope": {"project": {"id": ada[1].id}}}
    scoped, derived = actions.issue(deps, auth)
    assert derived.payload.expires_at == standing.payload.expires_at
    assert derived.payload.audit_ids[1] == standing.payload.audit_ids[0]
    assert derived.payload.methods == ("password", "token")
    actions.revoke(deps, standing.payload)
    with pytest.raises(exception.Unauthorized):
        actions.validate(deps, scoped, "req-1")


def _refusal(deps, **kwargs) -> str:
    with pytest.raises(exception.Unauthorized) as caught:
        login(deps, **kwargs)
    return str(caught.value)


def test_every_refused_login_reads_the_same(deps, ada):
    texts = {_refusal(deps, name="nobody"), _refusal(deps, password="wrong"), _refusal(deps, scope="admin"),
             _refusal(deps, scope={"project": {"id": "gone"}}), _refusal(deps, scope={"domain": {"id": "other"}}),
             _refusal(deps, scope={"system": {"all": True}})}
    users.update(deps, ada[0].id, enabled=False)
    texts.add(_refusal(deps))
    assert len(texts) == 1


def test_default_project_is_the_scope_of_a_login_without_one(deps, ada):
    user, project = ada
    assert login(deps, scope=None)[1].payload.scope is None
    users.update(deps, user.id, default_project_id=project.id)
    assert login(deps, scope=None)[1].payload.scope_id == project.id
    projects.update(deps, project.id, enabled=False)
    assert login(deps, scope=None)[1].payload.scope is None


def test_users_without_a_password_cannot_log_in(deps):
    users.create(deps, "daemon")
    _refusal(deps, name="daemon", password="", scope=None)


def test_catalog_of_an_unprojected_token_leaves_project_urls_out(deps, ada):
    _, standing = login(deps)
    described = actions.describe(deps, standing)
    urls = {entry["type"]: entry["endpoints"][0]["url"] for entry in described["catalog"]}
    assert urls["block-storage"] == f"http://cloud.test/volume/v3/{ada[1].id}"
    _, standing = login(deps, "admin", identity_cloud.PASSWORD, {"system": {"all": True}})
    assert {entry["type"] for entry in actions.describe(deps, standing)["catalog"]} == {"identity", "image", "compute"}
