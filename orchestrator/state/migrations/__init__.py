"""The steps from each version of the schema to the next, run by alembic. A step that was released is never changed."""
