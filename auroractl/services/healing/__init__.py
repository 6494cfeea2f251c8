"""Automatic repairs and other work of the watch loop."""
