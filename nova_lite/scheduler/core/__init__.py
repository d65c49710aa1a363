"""scheduler.core: the rules, as functions of values: a host table, a request, filters, weighers and ``select``. No I/O, no other room.

The only place that imports numpy. Called by ``scheduler.manager``, the benchmarks and the simulations.
"""
import os

# Linear algebra is not used; without this each process would keep a thread and its buffers for every core.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
