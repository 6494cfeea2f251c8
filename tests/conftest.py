"""What holds for all tests."""

collect_ignore = ["sample_project"]
"""A project of its own, which test_pytest_plugin runs as its owner would."""
