"""network: networks, subnets, ports and security groups; ``actions`` is what users and other rooms ask, ``worker`` makes it so on a host."""
