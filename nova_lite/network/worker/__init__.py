"""network.worker: what runs on each host: bridges, tunnels, namespaces, DHCP and the metadata sockets of the networks with ports there."""
