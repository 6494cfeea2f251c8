"""Drills: a fault under load, and its effects as recorded by the clients."""
