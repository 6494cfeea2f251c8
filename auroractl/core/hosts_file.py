"""The block of a home in the machine's hosts file, between two marks that name the home."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from auroractl.core.dns_names import home_id
from auroractl.core.errors import ConfigurationError, UsageError

_BEGIN, _END = "# BEGIN auroractl ", "# END auroractl "
_ENTRY = re.compile(
    r"127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3} "
    r"[a-z0-9-]{1,63}\.(cluster-|cluster-ro-|cluster-custom-)?(?P<id>a[a-z0-9]{11})\.(?P<region>[a-z0-9-]{1,63})\.rds(\.[a-z0-9-]{1,63})+"
)
"""A loopback address and a name of Aurora's form with an ID like ours: no block can redirect another name."""
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ENTRIES_MAX = 20_000


def block(home: str, hosts: Mapping[str, str]) -> list[str]:
    """Return the lines of a home's block, with the address of each name.

    >>> block("/srv/a", {"demo.cluster-abc.us-east-1.rds.amazonaws.com": "127.16.0.1"})[1]
    '127.16.0.1 demo.cluster-abc.us-east-1.rds.amazonaws.com'
    """
    return [_BEGIN + home, *(f"{host} {name}" for name, host in hosts.items()), _END + home]


def read_block(text: str) -> tuple[str, list[str]]:
    """Return the home and the lines of a block that another account printed.

    Raises UsageError unless all its names are of that home and all its addresses are of the loopback interface.
    """
    first, *entries = text.removesuffix("\n").split("\n")
    last = entries.pop() if entries else ""
    home = first.removeprefix(_BEGIN)
    marked = first.startswith(_BEGIN) and home.isprintable() and home and last == _END + home
    if not marked or len(entries) > _ENTRIES_MAX or not all(_is_of(home, each) for each in entries):
        raise UsageError(
            "This is not a block that auroractl hosts prints.",
            "Pass its output unchanged: auroractl hosts | sudo auroractl hosts --write --block -",
        )
    return home, [first, *entries, last]


def _is_of(home: str, entry: str) -> bool:
    found = _ENTRY.fullmatch(entry)
    return found is not None and found["id"] == home_id(home, found["region"])


def with_block(content: str, home: str, lines: Sequence[str]) -> str:
    """Return a hosts file's content with a home's block replaced, added or, if `lines` has no entry, removed.

    All other lines stay as they are. Raises ConfigurationError if the marks of the block are not one pair in order.
    """
    found = _LINE.findall(content)
    start, end = _place(found, home)
    ours = [line + "\n" for line in lines] if len(lines) > 2 else []
    before = found[:start]
    if ours and before and not before[-1].endswith("\n"):
        before[-1] += "\n"
    return "".join([*before, *ours, *found[end:]])


def _place(lines: Sequence[str], home: str) -> tuple[int, int]:
    """Return where a home's block begins and ends; the end of the file, twice, if there is none."""
    stripped = [line.rstrip("\r\n") for line in lines]
    begins = [number for number, line in enumerate(stripped) if line == _BEGIN + home]
    ends = [number for number, line in enumerate(stripped) if line == _END + home]
    if not begins and not ends:
        return len(lines), len(lines)
    whole = len(begins) == len(ends) == 1 and begins[0] < ends[0]
    if whole and not any(line.startswith((_BEGIN, _END)) for line in stripped[begins[0] + 1 : ends[0]]):
        return begins[0], ends[0] + 1
    raise ConfigurationError(
        f"The hosts file has no whole block of {home}: line {min(begins + ends) + 1} has one mark of it.",
        f"Remove by hand the lines {_BEGIN + home!r} and {_END + home!r} and what is between them",
    )
