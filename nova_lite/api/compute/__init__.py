"""api.compute: the Compute API 2.1 to 2.96, one module a noun.

Each module holds its tables (Body, Query, View), handlers of a few lines, and ``ROUTES``; ``application`` puts them together. ``values`` are the
JSON schemas that several bodies share, ``links`` what answers link to.
"""
