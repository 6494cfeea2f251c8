"""Programs, accounts, locks and durable files: the only place that starts a program."""
