"""The storage volume: nodes, their WAL, recovery from a quorum, growth."""
