"""PostgreSQL: binaries, configuration, start, stop, promote, follow, copies."""
