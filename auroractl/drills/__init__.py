"""Rehearsals: a client-side ledger under load, a fault, and what the clients saw of it."""
