"""consoleproxy: what browsers open to see a guest's screen or type on its serial line: static pages, and websockets joined to guests."""
