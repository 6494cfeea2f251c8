"""PostgreSQL: binaries, configuration, start, stop, promotion, replication, base copies."""
