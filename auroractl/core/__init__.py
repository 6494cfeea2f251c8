"""Model and decisions as plain values: no files, no processes, no clock, no network."""
