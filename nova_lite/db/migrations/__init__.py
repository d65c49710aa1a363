"""db.migrations: the alembic environment (env.py) and its versions. ``db/migrate.py`` runs it."""
