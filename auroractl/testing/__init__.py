"""Clusters for test sessions; the pytest plugin hands them out, and other test runners may use them the same way.

sessions    a private home for one test session: made, guarded, ended and removed
warmth      what sessions share so that they start quickly
cluster     a cluster as tests use it
databases   a fresh database for each test
"""
