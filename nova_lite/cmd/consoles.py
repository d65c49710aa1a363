"""Consoles put together: which there are and under which URLs, and the proxy that serves them."""
import dataclasses

from nova_lite.cmd import api_deps, images, serving
from nova_lite.cmd.wiring import Site
from nova_lite.compute.actions import console
from nova_lite.compute.console_access import ConsoleAccess
from nova_lite.consoleproxy.application import ConsoleProxy
from nova_lite.consoleproxy.pages import Pages
from nova_lite.context import RequestContext
from nova_lite.service.daemon import Daemon


def access(here: Site) -> ConsoleAccess:
    """The kinds of consoles that are enabled, and their URLs."""
    conf = here.conf
    place = f"{conf.consoleproxy.listen or conf.api.listen}:{conf.consoleproxy.port}"
    urls = {"vnc": conf.vnc.novncproxy_base_url or f"http://{place}/vnc_lite.html",
            "spice": conf.spice.html5proxy_base_url or f"http://{place}/spice/spice_auto.html",
            "serial": conf.serial_console.base_url or f"ws://{place}/"}
    enabled = {"vnc": conf.vnc.enabled, "spice": conf.spice.enabled, "serial": conf.serial_console.enabled}
    return ConsoleAccess(images.service_secret(here), conf.consoleauth.token_ttl, {kind: url for kind, url in urls.items() if enabled[kind]})


def proxy(here: Site) -> Daemon:
    """The console proxy: listens from now on. A port that was chosen here stands in the options afterwards."""
    conf = here.conf
    address = conf.consoleproxy.listen or conf.api.listen
    made = Daemon("nova-consoleproxy", conf.host, here.db, here.transport, conf.service.report_interval, here.on_superseded, conf.my_ip)
    pages = Pages({"/": (conf.consoleproxy.novnc_path, "novnc"), "/spice/": (conf.consoleproxy.spice_path, "spice-html5")})
    deps = dataclasses.replace(api_deps.compute_deps(here), consoles=access(here))
    application = ConsoleProxy(lambda token: console.find_console(deps, RequestContext.for_service(), token), deps.consoles.urls,
                               conf.consoleproxy.allowed_origins, pages)
    port = serving.serve(made, "consoleproxy.listen", address, conf.consoleproxy.port, application)
    conf.set_override("port", port, group="consoleproxy")
    return made
