"""The schema of an application on Aurora, and what of it cannot be had here."""
