"""api.middleware: what stands before every service: request ids, health, authentication. ``api/pipeline.py`` shows their order."""
