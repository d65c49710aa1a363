"""db.migrations.versions: one module a change of the tables, written by alembic from the models and read over."""
