"""Tables of the identity room."""
__all__: list[str] = []
