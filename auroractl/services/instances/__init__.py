"""Instances: placement, start, replication, internal objects and passwords."""
