"""Entry for the command line: becoming another program."""

from auroractl.process.programs import replace_process

__all__ = ["replace_process"]
