"""Applications on unmodified drivers: what they acknowledge, and what they see of a failover.

Each program writes numbered rows with several drivers and prints a line for each attempt, `ok DRIVER NUMBER` or
`error DRIVER TEXT`, until its stdin is closed. Where to connect is in the environment, so that no password is in an argument.
"""
