"""doctor, report and logs, which need no supervisor."""
