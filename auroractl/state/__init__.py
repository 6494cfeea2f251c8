"""Configuration and history in SQLite through SQLAlchemy; rows never leave this package."""
