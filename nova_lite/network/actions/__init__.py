"""network.actions: what runs in the API process and the compute worker: check and write, inside the caller's transaction."""
