"""The channel for disks over real sockets: only for the holder of the task's token, from any byte on, with TLS, and again when it breaks."""
import http.client
import json
import subprocess
import urllib.parse

import pytest

from nova_lite import exception
from nova_lite.compute import moves
from nova_lite.compute.actions import resize
from nova_lite.compute.worker import job as job_
from nova_lite.compute.worker import transfer
from nova_lite.compute.worker.job import Job
from nova_lite.compute.worker.transfer import Channel, DiskServer, Reader
from nova_lite.virt.copies import SEAL_BYTES
from tests.unit.compute.hosts_in_a_row import CTX, Row

CONTENT = bytes(range(256)) * 20000


@pytest.fixture
def row(tmp_path):
    made = Row(tmp_path)
    yield made
    made.close()


@pytest.fixture
def leaving(row):
    """A server whose guest host ``a`` has let go, for the worker of ``b``, which is away; its id and token."""
    server_id = row.boot(written=CONTENT)
    row.cut.add("b")
    resize.migrate(row.deps, CTX, server_id)
    token = row.find(server_id).task_id
    row.workers["b"].shop.departures.let_go(CTX, "a", server_id=server_id, token=token)
    return server_id, token


@pytest.fixture
def served(row):
    server = DiskServer(row.db, row.workers["a"].shop.driver, "a", Channel())
    yield server
    server.stop()


def get(url, path, token, **headers):
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=10)
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}", **headers})
    response = connection.getresponse()
    return response.status, response.read()


def test_only_for_the_holder_of_the_token(row, leaving, served):
    server_id, token = leaving
    other = row.boot()
    url = served.url()
    assert get(url, f"/{server_id}", token)[0] == 200
    for path, shown in ((f"/{server_id}", "stolen"), (f"/{server_id}/disk", ""), (f"/{other}", token), (f"/{other}/disk", ""), ("/", token)):
        assert get(url, path, shown)[0] == 403
    assert get(url, f"/{server_id}/..%2F..%2Fetc%2Fpasswd", token)[0] == 404
    with row.db.write() as tx:
        moves.give_up(tx, row.find(server_id), token, "over")
    assert get(url, f"/{server_id}", token)[0] == 403


def test_from_any_byte_on(leaving, served):
    server_id, token = leaving
    url = served.url()
    files = json.loads(get(url, f"/{server_id}", token)[1])
    assert [(file["name"], file["size"]) for file in files] == [("disk", len(CONTENT))]
    status, whole = get(url, f"/{server_id}/disk", token)
    assert status == 200 and whole[:-SEAL_BYTES] == CONTENT
    status, rest = get(url, f"/{server_id}/disk", token, Range="bytes=5000000-")
    assert status == 206 and rest == whole[5000000:]


def test_a_guest_that_runs_is_not_read(row, leaving, served):
    server_id, token = leaving
    row.machines["a"].guests.clear()
    shop = row.workers["a"].shop
    shop.driver.hypervisor.bases_by_server[server_id] = frozenset()
    shop.driver.start_guest(job_.description(Job(shop, CTX, row.find(server_id), token, None))[0])
    status, words = get(served.url(), f"/{server_id}", token)
    assert status == 409 and b"is on" in words
    with pytest.raises(exception.HypervisorError, match="is on"):
        Reader(served.url, server_id, token, Channel()).files()


def test_what_breaks_goes_on(leaving, served, row, monkeypatch):
    server_id, token = leaving
    monkeypatch.setattr(transfer, "RETRY_SECONDS", 0.01)
    copies = row.workers["a"].shop.driver.moves().copies()
    monkeypatch.setattr(type(row.workers["a"].shop.driver.moves()), "copies", lambda self: copies)
    read, asked = copies.read, []

    def fragile(server_id, name, position):
        asked.append(position)
        given = 0
        for block in read(server_id, name, position):
            if len(asked) < 4 and given + len(block) > 2_000_000:
                yield block[:2_000_000 - given]
                raise exception.Unavailable("the cable broke")
            given += len(block)
            yield block
    monkeypatch.setattr(copies, "read", fragile)
    beats = []
    reader = Reader(served.url, server_id, token, Channel(), lambda: beats.append(1))
    reader.files()
    content = b"".join(reader.read("disk", 1000))
    assert content[:-SEAL_BYTES] == CONTENT[1000:] and asked[0] == 1000 and asked == sorted(asked) and len(asked) == 4 and asked[-1] > 3_000_000
    assert beats


def test_nobody_is_waited_for_without_end(leaving, served, monkeypatch):
    server_id, token = leaving
    monkeypatch.setattr(transfer, "RETRY_SECONDS", 0.01)
    url = served.url()
    served.stop()
    with pytest.raises(exception.HypervisorError, match="cannot be reached"):
        Reader(lambda: url, server_id, token, Channel(), patience=0.05).files()


def test_a_move_that_is_another_s_ends_the_reading(leaving, served):
    server_id, token = leaving

    def beat():
        raise exception.TaskLost(token=token, server_id=server_id)
    with pytest.raises(exception.TaskLost):
        Reader(served.url, server_id, token, Channel(), beat).files()


def test_a_port_that_is_taken(row, served):
    port = urllib.parse.urlsplit(served.url()).port
    with pytest.raises(exception.Unavailable, match=str(port)):
        DiskServer(row.db, row.workers["a"].shop.driver, "a", Channel(port=port)).url()


def test_disks_travel_encrypted_to_who_trusts_the_sender(row, leaving, tmp_path):
    server_id, token = leaving
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=a",
                    "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    served = DiskServer(row.db, row.workers["a"].shop.driver, "a", Channel(certificate=certificate, key=key))
    try:
        assert served.url().startswith("https://")
        reader = Reader(served.url, server_id, token, Channel(authority=certificate))
        reader.files()
        assert b"".join(reader.read("disk", 0))[:-SEAL_BYTES] == CONTENT
        with pytest.raises(exception.HypervisorError, match="certificate"):
            Reader(served.url, server_id, token, Channel(), patience=0.05).files()
    finally:
        served.stop()
    with pytest.raises(exception.ConfigurationError):
        DiskServer(row.db, row.workers["a"].shop.driver, "a", Channel(certificate="/nowhere", key=key))
