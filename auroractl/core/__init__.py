"""Model and decisions in plain values: no files, no processes, no clock, no network."""
