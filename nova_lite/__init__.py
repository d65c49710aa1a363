"""nova_lite: an OpenStack-style compute service. The map of its rooms; the laws and the recipes are in ARCHITECTURE.md.

config, context, exception, policy, concurrency, clock, log, hooks: the ground floor, imports no room
rpc         sending and receiving messages; knows no vocabulary
numa        how guests lie on the CPUs and the memory of hosts
pci         PCI devices of hosts that guests are given
interfaces  what may be asked of each worker: the whole distributed protocol
db          the only SQL: models, and one module of functions an aggregate
identity    users, projects, roles, tokens
image       image records and the file store
network     networks, subnets, ports, addresses; its worker makes bridges, namespaces, DHCP
compute     servers: the table of states, tasks, quotas, what users may ask (actions) and who does it (worker)
scheduler   which host takes a server; core is the pure part, in numpy columns
virt        hypervisor drivers behind one contract: libvirt, and fake for tests
api         every HTTP endpoint as tables of routes, bodies and views
consoleproxy  what browsers open to see a guest's screen: pages, and websockets joined to guests
service     what all daemons share: start and stop, epochs, reports, periodic work
cmd         the executables, and wiring.py, where everything is put together
"""
__version__ = "0.1.0"
