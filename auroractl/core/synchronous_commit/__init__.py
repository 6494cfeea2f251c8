"""Weak values of synchronous_commit, in settings and in SQL text."""
