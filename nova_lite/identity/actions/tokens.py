"""Logging in, validating and revoking tokens.

``validate`` is called once for every request of every API: one SQL statement a token every few seconds (see ``identity.standings``), no hashing.
"""
import datetime
from dataclasses import dataclass

from nova_lite import clock, context, exception
from nova_lite.db import identity as db
from nova_lite.db.models.identity import Project, Role, User
from nova_lite.identity import domains, roles, tokens
from nova_lite.identity.deps import Deps

SYSTEM_TARGET = "all"


@dataclass(frozen=True)
class Standing:
    """A token that holds: what it says, and who that is today. ``granted``: role names without the implied ones."""

    payload: tokens.Payload
    user_name: str
    user_domain_id: str
    project_name: str | None
    project_domain_id: str | None
    granted: tuple[str, ...]

    @property
    def roles(self) -> tuple[str, ...]:
        """Role names, implied ones too."""
        return roles.expand(self.granted)


def _refuse(reason: str = tokens.INVALID) -> exception.Unauthorized:
    return exception.Unauthorized(reason)


# ---- validate --------------------------------------------------------------------------------------------------------------
def validate(deps: Deps, token: str, request_id: str) -> context.RequestContext:
    """Who ``token`` stands for. Raises Unauthorized when it is forged, expired, revoked, or its user, project or roles are gone or disabled."""
    return to_context(inspect(deps, token), request_id)


def to_context(standing: Standing, request_id: str) -> context.RequestContext:
    """The caller as the rest of the house knows callers."""
    payload, names = standing.payload, standing.roles
    return context.RequestContext(
        request_id=request_id, user_id=payload.user_id, user_name=standing.user_name, user_domain_id=standing.user_domain_id,
        project_id=payload.scope_id if payload.scope == "project" else None, project_name=standing.project_name,
        project_domain_id=standing.project_domain_id or domains.DEFAULT_ID, roles=tuple(name.lower() for name in names),
        is_admin="admin" in names, system_scope=SYSTEM_TARGET if payload.scope == "system" else None)


def inspect(deps: Deps, token: str) -> Standing:
    """What a token says and who that is now, or was a few seconds ago; at most one SQL statement. Raises Unauthorized."""
    payload = deps.codec.decode(token)
    if payload.expires_at <= clock.now():
        raise _refuse()

    def read() -> Standing:
        with deps.db.read() as tx:
            return _standing(tx, payload)
    return deps.standings.find(token, read)


def _standing(tx, payload: tokens.Payload) -> Standing:
    rows = db.read_standing(tx, payload.user_id, payload.scope, payload.scope_id, payload.audit_ids)
    if not rows or not rows[0].user_enabled or any(row.revoked for row in rows) or _before(payload, rows[0].user_after):
        raise _refuse()
    first = rows[0]
    if payload.scope == "project" and (not first.project_enabled or _before(payload, first.project_after)):
        raise _refuse()
    granted = tuple(row.role for row in rows if row.role is not None)
    if payload.scope is not None and not granted:
        raise _refuse()
    return Standing(payload, first.user_name, first.user_domain_id, first.project_name, first.project_domain_id, granted)


def _before(payload: tokens.Payload, moment: datetime.datetime | None) -> bool:
    return moment is not None and payload.issued_at <= moment


# ---- issue -----------------------------------------------------------------------------------------------------------------
def issue(deps: Deps, auth: dict) -> tuple[str, Standing]:
    """Log in. ``auth``: the ``auth`` object of POST /v3/auth/tokens, of valid form. Returns the token text and what it stands for.

    Raises Unauthorized with one and the same text whether the user, the password, or the right to the scope is missing; Invalid.
    """
    methods = tuple(dict.fromkeys(auth["identity"]["methods"]))
    if not methods or not set(methods) <= {"password", "token"}:
        raise _refuse("Attempted to authenticate with an unsupported method.")
    user_id, parent = None, None
    for method in methods:
        details = auth["identity"].get(method)
        if details is None:
            raise exception.Invalid(f"Expecting to find {method} in identity.")
        if method == "password":
            found = _check_password(deps, details.get("user") or {})
        else:
            parent = inspect(deps, details.get("id") or "").payload
            found = parent.user_id
        if user_id not in (None, found):
            raise _refuse()
        user_id = found
    return _seal(deps, user_id, methods, parent, auth.get("scope"))


def _check_password(deps: Deps, credentials: dict) -> str:
    password = credentials.get("password")
    if not isinstance(password, str):
        raise exception.Invalid("Expecting to find password in user.")
    with deps.db.read() as tx:
        user = _find_user(tx, credentials)
        stored = user.password_hash if user is not None else None
    if not deps.passwords.verify(stored, password) or not user.enabled:
        raise _refuse()
    return user.id


def _find_user(tx, credentials: dict) -> User | None:
    if credentials.get("id"):
        return db.get(tx, User, credentials["id"])
    if not credentials.get("name"):
        raise exception.Invalid("Expecting to find id or name in user.")
    if not credentials.get("domain"):
        raise exception.Invalid("Expecting to find domain in user.")
    domain_id = domains.resolve(credentials["domain"])
    return db.find(tx, User, domain_id=domain_id, name=credentials["name"]) if domain_id else None


def _seal(deps: Deps, user_id: str, methods: tuple[str, ...], parent: tokens.Payload | None, scope) -> tuple[str, Standing]:
    now = clock.now()
    if parent is not None:
        methods = tuple(dict.fromkeys(parent.methods + methods))
    with deps.db.read() as tx:
        kind, target_id = _resolve_scope(tx, user_id, scope)
        payload = tokens.Payload(
            user_id, methods, kind, target_id, now, parent.expires_at if parent else now + clock.seconds(deps.token_lifetime),
            (tokens.new_audit_id(),) + ((parent.audit_ids[-1],) if parent else ()))
        standing = _standing(tx, payload)
    return deps.codec.encode(payload), standing


def _resolve_scope(tx, user_id: str, scope) -> tuple[str | None, str | None]:
    if scope == "unscoped":
        return None, None
    if not scope:
        return _default_scope(tx, user_id)
    kinds = [kind for kind in ("project", "domain", "system") if scope.get(kind)]
    if len(kinds) != 1:
        raise exception.Invalid("scope must name exactly one of project, domain and system.")
    kind = kinds[0]
    if kind == "system":
        return kind, SYSTEM_TARGET
    target = _find_project(tx, scope[kind]) if kind == "project" else domains.resolve(scope[kind])
    if target is None:
        raise _refuse()
    return kind, target


def _default_scope(tx, user_id: str) -> tuple[str | None, str | None]:
    user = db.get(tx, User, user_id)
    if user is None or user.default_project_id is None or not db.list_roles_on(tx, user_id, "project", user.default_project_id):
        return None, None
    project = db.get(tx, Project, user.default_project_id)
    return ("project", project.id) if project is not None and project.enabled else (None, None)


def _find_project(tx, reference: dict) -> str | None:
    if reference.get("id"):
        return reference["id"]
    if not reference.get("name") or not reference.get("domain"):
        raise exception.Invalid("Expecting to find id, or name and domain, in project.")
    domain_id = domains.resolve(reference["domain"])
    project = db.find(tx, Project, domain_id=domain_id, name=reference["name"]) if domain_id else None
    return project.id if project is not None else None


# ---- show and revoke -------------------------------------------------------------------------------------------------------
def describe(deps: Deps, standing: Standing, with_catalog: bool = True) -> dict:
    """The ``token`` object as the API shows it."""
    payload = standing.payload
    token = {
        "methods": list(payload.methods),
        "user": {"domain": {"id": standing.user_domain_id, "name": domains.DEFAULT_NAME}, "id": payload.user_id, "name": standing.user_name,
                 "password_expires_at": None},
        "audit_ids": list(payload.audit_ids),
        "expires_at": clock.isoformat_micro(payload.expires_at) + "Z",
        "issued_at": clock.isoformat_micro(payload.issued_at) + "Z"}
    if payload.scope is None:
        return token
    if payload.scope == "project":
        token["project"] = {"domain": {"id": standing.project_domain_id, "name": domains.DEFAULT_NAME},
                            "id": payload.scope_id, "name": standing.project_name}
        token["is_domain"] = False
    elif payload.scope == "domain":
        token["domain"] = {"id": domains.DEFAULT_ID, "name": domains.DEFAULT_NAME}
    else:
        token["system"] = {"all": True}
    with deps.db.read() as tx:
        known = {role.name: role.id for role in db.list_all(tx, Role, {})}
    token["roles"] = [{"id": known[name], "name": name} for name in standing.roles if name in known]
    if with_catalog:
        token["catalog"] = deps.catalog.render(payload.scope_id if payload.scope == "project" else None)
    return token


def revoke(deps: Deps, payload: tokens.Payload) -> None:
    """Void one token at once. Revocations that expiry has overtaken are forgotten on the way."""
    with deps.write() as tx:
        db.purge_revocations(tx, clock.now())
        db.revoke_token(tx, payload.audit_ids[0], payload.expires_at)
