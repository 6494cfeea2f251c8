"""What is wanted and what happened, in SQLite through SQLAlchemy; rows never leave this package."""
