"""The operating system: programs, accounts, locks and durable files. Only this package starts programs."""
