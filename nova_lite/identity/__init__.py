"""identity: users, projects, roles and tokens, as in Keystone's v3 API.

``actions`` is what may be asked (called by ``api.identity``, by the API's authentication and by the bootstrap); ``tokens`` makes and reads
the token texts, ``keys`` keeps the keys that seal them, ``passwords`` hashes, ``catalog`` tells where the services are, ``roles`` which role implies
which. There is one domain, ``default``.
"""
