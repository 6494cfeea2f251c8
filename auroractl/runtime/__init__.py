"""State and workers that live as long as the supervisor process: locks, observations, caches, background threads."""
