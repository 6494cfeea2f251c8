"""Benchmarks: each measures auroractl and a baseline in the same run; ratios hold where absolute times drift."""
