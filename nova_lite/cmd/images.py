"""Images for the other rooms: what the Image API needs, and where a compute worker gets an image's bytes."""
import contextlib
import os
import secrets
import tempfile

from nova_lite import exception
from nova_lite.cmd.wiring import Site
from nova_lite.image import keeper, remote
from nova_lite.image.actions import data
from nova_lite.image.deps import Deps
from nova_lite.image.store import Store
from nova_lite.service.daemon import Daemon


def deps(here: Site) -> Deps:
    """What the Image API's handlers get."""
    folder = here.conf.image.store or os.path.join(here.conf.state_path, "image-store")
    return Deps(here.db, Store(folder), here.conf.image.max_size, here.conf.api.max_limit)


def service_secret(here: Site) -> str:
    """The secret that the daemons share: as configured, or made once in the state folder (one machine). Raises ConfigurationError."""
    if here.conf.image.service_secret:
        return here.conf.image.service_secret
    path = os.path.join(here.conf.state_path, "service-secret")
    try:
        # Written aside and linked, so that nobody ever reads half of it; whoever links first decides.
        with tempfile.NamedTemporaryFile("w", dir=here.conf.state_path) as aside:
            aside.write(secrets.token_urlsafe(32))
            aside.flush()
            with contextlib.suppress(FileExistsError):
                os.link(aside.name, path)
        with open(path, encoding="ascii") as handle:
            return handle.read()
    except OSError as error:
        raise exception.ConfigurationError(reason=f"image.service_secret is not set and {path} cannot be used: {error}")


def local_fetcher(here: Site):
    """Image bytes by id, from the store of this process."""
    store = deps(here)
    return lambda image_id: data.open_data(store, image_id)


def remote_fetcher(here: Site):
    """Image bytes by id, over HTTP from the image endpoint. Raises ConfigurationError where none is configured."""
    url, secret = _image_url(here), service_secret(here)
    return lambda image_id: remote.fetch(url, secret, image_id)


def _image_url(here: Site) -> str:
    conf = here.conf
    url = conf.image.url or (f"{conf.api.public_url.rstrip('/')}/image" if conf.api.public_url else None)
    if url is None:
        raise exception.ConfigurationError(reason="a compute host needs image.url (or api.public_url): where images are fetched from")
    return url


def local_keeper(here: Site) -> keeper.LocalKeeper:
    """Where a worker beside the store puts images."""
    return keeper.LocalKeeper(deps(here))


def remote_keeper(here: Site) -> keeper.RemoteKeeper:
    """Where a worker on another host puts images. Raises ConfigurationError as remote_fetcher."""
    return keeper.RemoteKeeper(here.db, _image_url(here), service_secret(here))


def sweep_with(here: Site, daemon: Daemon) -> None:
    """Have uploads that were cut off by a death cleaned up, at the start and from time to time."""
    store = deps(here)
    daemon.every(data.SWEEP_SECONDS, lambda: data.sweep(store), delay=0.0)
