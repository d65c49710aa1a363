"""cmd: one module an executable. ``wiring`` is the composition root: the only place that knows all rooms."""
