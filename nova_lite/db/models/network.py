"""Tables of the network room."""
__all__: list[str] = []
