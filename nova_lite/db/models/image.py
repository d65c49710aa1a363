"""Tables of the image room."""
__all__: list[str] = []
