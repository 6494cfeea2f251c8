"""The past: recovery points, backtrack and peek."""
