"""No address is ever given twice: allocations race from several processes and green threads on each database."""
import collections
import json
import subprocess
import sys

import pytest
import sqlalchemy as sa

from nova_lite.db import networks as db_networks
from nova_lite.db.engine import Database
from nova_lite.db.models.network import Port, PortAddress
from nova_lite.network import ipam

PROCESSES, THREADS, EACH = 4, 2, 25
RACER = """
import sys, uuid
from nova_lite import concurrency
concurrency.patch()
from nova_lite import exception
from nova_lite.db.engine import Database
from nova_lite.network.actions import server_ports

url, network_id, threads, each = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
db = Database(url)
wanted = [{"network_id": network_id, "port_id": None, "fixed_ip": None, "tag": None}]

def give(server_id):
    while True:
        try:
            with db.write() as tx:
                return server_ports.allocate(tx, server_id, "project-a", "host", wanted)
        except exception.DatabaseDeadlock:
            concurrency.sleep(0)

def race(_):
    for _ in range(each):
        try:
            give(str(uuid.uuid4()))
        except exception.NoMoreAddresses:
            full.append(1)

full = []
concurrency.map_parallel(race, range(threads))
print(len(full))
"""


def make_network(db, cidr: str) -> str:
    span = ipam.network_of(cidr)
    with db.write() as tx:
        network = db_networks.create_network(tx, {"project_id": "project-a"})
        db_networks.create_subnet(tx, {"network_id": network.id, "project_id": "project-a", "cidr": cidr, "gateway_ip": ipam.first_host(span),
                                       "allocation_pools": ipam.default_pools(span, ipam.first_host(span))})
        return network.id


@pytest.mark.parametrize(("cidr", "room"), [("10.0.0.0/24", 253), ("10.0.0.0/25", 125)])
def test_addresses_are_given_once_and_to_the_last_one(database_url, cidr, room):
    db = Database(database_url)
    db.create_all()
    network_id = make_network(db, cidr)
    racers = [subprocess.Popen([sys.executable, "-c", RACER, database_url, network_id, str(THREADS), str(EACH)], stdout=subprocess.PIPE)
              for _ in range(PROCESSES)]
    turned_away = sum(json.loads(racer.communicate()[0]) for racer in racers)
    assert [racer.returncode for racer in racers] == [0] * PROCESSES
    asked = PROCESSES * THREADS * EACH
    with db.read() as tx:
        addresses = tx.scalars(sa.select(PortAddress.address)).all()
        ports = tx.scalars(sa.select(Port.id)).all()
    db.close()
    assert collections.Counter(addresses).most_common(1)[0][1] == 1
    assert len(addresses) == len(ports) == min(asked, room)
    assert turned_away == asked - len(addresses)
