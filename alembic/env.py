"""Run by alembic for each migration; `automl.storage.migrate` hands over the connection, already in a transaction."""

from alembic import context

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Migrations are run by `automl db upgrade --storage URL`, not by the alembic command.")

context.configure(connection=connection, target_metadata=None, transactional_ddl=True)
context.run_migrations()
