"""Attacks on the trust boundary: what a local account, the databases' account and the master user must not get."""
