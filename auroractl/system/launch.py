"""Entry point for the command line: replacing this process with another program."""

from auroractl.system.programs import replace_process

__all__ = ["replace_process"]
