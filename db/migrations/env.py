"""Alembic's entry: migrate on the connection that the caller holds, in its transaction."""

from alembic import context

from db.state import VERSION_TABLE
from db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
    # The caller's transaction also holds the loading of data: all or nothing.
    transactional_ddl=False,
)
context.run_migrations()
