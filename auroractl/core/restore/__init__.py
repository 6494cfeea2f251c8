"""Points in time, and what must be kept to reach them."""
