"""Clusters for test sessions, for the pytest plugin and other test runners.

sessions       a private home for one test session, removed at its end
session_cache  the files that sessions share to start quickly
cluster        a cluster as tests use it
databases      a new database for each test
"""
