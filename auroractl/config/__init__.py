"""Settings and paths. Only this package knows where a file is."""
