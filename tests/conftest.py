"""What holds for all tests."""

collect_ignore = ["sample_project", "sample_migrations"]
"""Projects of their own, which test_pytest_plugin and test_schema_loads run as their owners would."""
