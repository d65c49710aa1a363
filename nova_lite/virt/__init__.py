"""virt: hypervisor drivers behind one contract (driver.py), with plain values (types.py). Imports no room."""
