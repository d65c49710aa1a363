"""The part of the driver contract that takes a guest from one host to another; ``Driver.moves()`` gives it where the driver can.

Every method keeps the rules of ``virt.driver``: may be repeated, blocks only the caller.
"""


class Moves:
    """How a hypervisor's guests move. Loaded with its driver."""
