"""The store's schema, step by step (Alembic). `tables.py` is what the last step makes."""
