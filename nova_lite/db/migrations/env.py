"""Alembic's environment: run by db/migrate.py with an open connection in the config's attributes."""
from alembic import context

from nova_lite.db.models import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True, compare_type=True,
                  user_module_prefix="base.")
with context.begin_transaction():
    context.run_migrations()
