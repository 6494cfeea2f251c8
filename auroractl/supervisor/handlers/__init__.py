"""Handlers of all verbs, in files by noun. Each takes the call and the request, and returns a result."""
