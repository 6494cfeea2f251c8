"""How Alembic runs the migration scripts: on the connection that auroractl.state.schema hands over.

There is no alembic.ini and no command line. A change of the schema is a change of auroractl/state/models.py, a new
script in versions/ and the new HEAD in auroractl/state/schema.py; tests/unit/state says what is missing.

The caller has begun the transaction and enforces no foreign keys, so that tables can be rebuilt.
"""

from alembic import context

from auroractl.state.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
