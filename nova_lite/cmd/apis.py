"""The APIs put together: applications under their prefixes on one port, and on ports of their own where configured."""
import dataclasses
import os
from collections.abc import Callable

from nova_lite import exception, log
from nova_lite.api import identity as identity_api
from nova_lite.api import image as image_api
from nova_lite.api import network as network_api
from nova_lite.api import pipeline
from nova_lite.api.compute import application as compute_api
from nova_lite.api.image.service_access import ServiceAccess
from nova_lite.api.lite import application as lite_api
from nova_lite.api.middleware import auth
from nova_lite.cmd import api_deps, consoles, images, serving
from nova_lite.cmd.wiring import Site
from nova_lite.identity.actions import tokens as token_actions
from nova_lite.identity.catalog import Catalog, Service
from nova_lite.identity.deps import Deps as IdentityDeps
from nova_lite.identity.passwords import Hasher
from nova_lite.identity.standings import Standings
from nova_lite.identity.tokens import Codec
from nova_lite.service import metrics
from nova_lite.service.daemon import Daemon

LOG = log.get(__name__)
SERVICES = (("identity", "keystone", ""), ("compute", "nova", "/v2.1"), ("image", "glance", ""), ("network", "neutron", ""))
"""(type = prefix, name, what the catalog's URL has after the prefix)."""


def base_url(here: Site, service: str) -> str:
    """The URL of a service as clients reach it, without a slash at its end."""
    conf = here.conf.api
    if service in conf.own_ports:
        return f"http://{conf.listen}:{conf.own_ports[service]}"
    return f"{(conf.public_url or f'http://{conf.listen}:{conf.port}').rstrip('/')}/{service}"


def keys_folder(here: Site) -> str:
    """Where the token keys are."""
    return here.conf.identity.fernet_keys or os.path.join(here.conf.state_path, "fernet-keys")


def identity_deps(here: Site) -> IdentityDeps:
    """What the identity room needs."""
    conf = here.conf
    catalog = Catalog(conf.identity.region, tuple(Service(kind, name, base_url(here, kind) + path) for kind, name, path in SERVICES))
    return IdentityDeps(here.db, Codec(keys_folder(here)), Hasher(), catalog, conf.identity.token_expiration,
                        Standings(conf.identity.token_recheck_interval))


def applications(here: Site) -> dict[str, Callable]:
    """Each service's application behind its authentication, by prefix."""
    policy = api_deps.make_policy(here.conf)
    deps = identity_deps(here)
    compute_deps = dataclasses.replace(api_deps.compute_deps(here), consoles=consoles.access(here), images=images.deps(here))
    guarded = {
        "compute": (compute_api.application(compute_deps, policy, public_url=base_url(here, "compute"),
                                            max_body=here.conf.api.max_request_body_size), compute_api.PUBLIC),
        "image": (image_api.application(images.deps(here), policy, base_url(here, "image")), image_api.PUBLIC),
        "lite": (lite_api.application(compute_deps, policy, public_url=base_url(here, "lite"), max_body=here.conf.api.max_request_body_size), ()),
        "network": (network_api.application(api_deps.network_deps(here), policy, base_url(here, "network")), network_api.PUBLIC),
    }
    if here.conf.api.auth_strategy != "keystone":
        guarded["identity"] = (identity_api.application(deps, policy, base_url(here, "identity")), identity_api.PUBLIC)
    found = {f"/{name}": _authenticated(here, deps, application, public) for name, (application, public) in guarded.items()}
    found["/image"] = ServiceAccess(guarded["image"][0], found["/image"], images.service_secret(here))
    return found


def _authenticated(here: Site, deps: IdentityDeps, application: Callable, public) -> Callable:
    strategy = here.conf.api.auth_strategy
    if strategy == "keystone":
        return auth.keystone(application, api_deps.keystone_options(here.conf), public)
    validate = auth.believe if strategy == "noauth" else lambda token, request_id: token_actions.validate(deps, token, request_id)
    return auth.TokenAuth(application, validate, base_url(here, "identity") + "/v3", public)


def daemon(here: Site) -> Daemon:
    """The API daemon: listens when it starts."""
    conf = here.conf.api
    found = applications(here)
    served = [(conf.port, pipeline.build(found, lambda: health(here), metrics.exposition(here.db, here.transport)))]
    for name, port in conf.own_ports.items():
        if f"/{name}" not in found:
            raise exception.ConfigurationError(reason=f"api.own_ports names {name}; there are: {', '.join(sorted(n.strip('/') for n in found))}")
        served.append((int(port), pipeline.request_id.RequestId(found[f"/{name}"])))
    made = Daemon("nova-api", conf.listen, here.db, here.transport, here.conf.service.report_interval, here.on_superseded, here.conf.my_ip)
    for port, application in served:
        serving.serve(made, "api.listen", conf.listen, port, application)
    images.sweep_with(here, made)
    return made


def health(here: Site) -> list[str]:
    """What keeps this process from serving; empty when nothing does."""
    wrong = []
    try:
        with here.db.read() as tx:
            tx.connection().exec_driver_sql("SELECT 1")
    except exception.Unavailable as error:
        wrong.append(str(error))
    if here.transport.healthy_since is None:
        wrong.append("The message broker cannot be reached now.")
    return wrong
