"""Started by the first command that needs it: python -m auroractl.supervisor --home FOLDER --ready-fd NUMBER.

In the foreground a user starts it with `auroractl supervisor run`. The command line, which that loads, takes a tenth of
the start.
"""

from __future__ import annotations

import argparse
import gc
import sys

from auroractl.config.paths import find_home


def main() -> int:
    """Run the supervisor of a home in the background; return its exit code."""
    parser = argparse.ArgumentParser(prog="auroractl.supervisor")
    parser.add_argument("--home", required=True)
    parser.add_argument("--ready-fd", type=int, required=True)
    arguments = parser.parse_args()
    # Nothing that is loaded becomes garbage. Looking for it would take a tenth of the start, and again ever after.
    gc.disable()
    from auroractl.supervisor import daemon  # noqa: PLC0415  (loaded without looking for garbage)

    gc.freeze()
    gc.enable()
    return daemon.run(find_home(arguments.home), arguments.ready_fd)


if __name__ == "__main__":
    sys.exit(main())
