"""api: REST over WSGI. A resource is a table of Routes with a four-line handler each; ``resource.Application`` interprets the tables.

The only room that knows webob, routes and jsonschema. Handlers check nothing that a table can say and write nothing themselves:
they call the rooms' ``actions`` and database reads.
"""
