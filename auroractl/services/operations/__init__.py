"""Journalled operations: steps with undo, dry runs, cancellation."""
