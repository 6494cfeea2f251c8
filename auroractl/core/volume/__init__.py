"""The storage volume: nodes, quorums, copies, growth, faults."""
