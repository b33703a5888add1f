"""The schema's history: dated Alembic revisions with SQL inside, expand first, contract later."""
