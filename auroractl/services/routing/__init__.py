"""Custom endpoints."""
