"""Positions, segments and timelines of WAL."""
