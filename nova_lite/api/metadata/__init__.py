"""api.metadata: what guests read at 169.254.169.254; run by the network workers, not by the API processes."""
