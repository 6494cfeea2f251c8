"""Text formats: sizes, durations, times, and sanitising of untrusted text."""
