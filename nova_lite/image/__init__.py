"""image: image records and the file store, as in Glance's v2 API.

``actions`` is what may be asked: ``images`` (records), ``data`` (upload, download, sweep), ``members``. ``store`` keeps the files, ``remote``
fetches them from another host, ``attributes`` is the table of an image's attributes, ``patch`` reads JSON patches, ``signature`` signs fetches.
"""
