"""How guests lie on the CPUs and the memory of a host: what flavor and image ask for, what a host has, and how the one fits on the other. Pure.

``wanted`` reads and checks what is asked for (API, scheduler, worker), ``cells`` has the values that hosts and claims carry, ``fit`` places.
"""
