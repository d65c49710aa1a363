"""compute.actions: what users may ask, one verb family a module. Each checks, writes in one transaction, and rings after the commit."""
