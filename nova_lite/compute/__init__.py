"""compute: the life of servers. ``states`` is the table, ``task`` its interpreter; ``actions`` is what users may ask, ``worker`` who does it."""
