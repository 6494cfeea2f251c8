"""The program's entry, and the only place of the command line that exits."""

import sys

from auroractl.cli.main import main


def run() -> None:
    """Run the command line and exit with its code."""
    sys.exit(main())


if __name__ == "__main__":
    run()
