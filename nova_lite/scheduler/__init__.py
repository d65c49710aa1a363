"""scheduler: picks hosts for servers and claims room on them. ``core`` is pure rules over numpy columns; ``manager`` answers the messages."""
