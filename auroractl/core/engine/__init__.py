"""Facts about the engine: its versions, and what Aurora PostgreSQL allows in it."""
