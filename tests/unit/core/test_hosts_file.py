"""The block of a home in the hosts file."""

from __future__ import annotations

import pytest

from auroractl.core.dns_names import domain
from auroractl.core.errors import ConfigurationError, UsageError
from auroractl.core.hosts_file import block, read_block, with_block

_NAME = f"demo.cluster-{domain('/srv/a', 'us-east-1')}"
_OURS = block("/srv/a", {_NAME: "127.16.0.1"})
_TEXT = "\n".join(_OURS) + "\n"
_REST = "127.0.0.1 localhost\r\n\n# mine \x0c\n::1 ip6 \udcff\n"


@pytest.mark.parametrize("rest", ["", _REST, "127.0.0.1 localhost\n"])
def test_a_block_that_is_added_and_removed_leaves_the_file_as_it_was(rest: str) -> None:
    written = with_block(rest, "/srv/a", _OURS)
    assert written == rest + _TEXT
    assert with_block(written, "/srv/a", []) == rest


def test_a_last_line_without_an_end_gets_one() -> None:
    assert with_block("127.0.0.1 localhost", "/srv/a", _OURS) == "127.0.0.1 localhost\n" + _TEXT


def test_a_block_is_replaced_in_its_place() -> None:
    newer = block("/srv/a", {_NAME: "127.16.9.1"})
    found = with_block("first\n" + _TEXT + "last\n", "/srv/a", newer)
    assert found == "first\n" + "\n".join(newer) + "\nlast\n"


def test_blocks_of_two_homes_do_not_disturb_each_other() -> None:
    other = block("/srv/a b", {_NAME: "127.17.0.1"})
    both = with_block(with_block("", "/srv/a", _OURS), "/srv/a b", other)
    assert with_block(both, "/srv/a", []) == "\n".join(other) + "\n"
    assert with_block(both, "/srv/a b", []) == _TEXT


def test_a_block_without_names_is_none() -> None:
    assert with_block("first\n" + _TEXT, "/srv/a", block("/srv/a", {})) == "first\n"


@pytest.mark.parametrize(
    "content",
    [
        _OURS[0] + "\n",
        _OURS[-1] + "\n",
        _OURS[-1] + "\n" + _OURS[0] + "\n",
        _TEXT + _TEXT,
        _OURS[0] + "\n" + "\n".join(block("/srv/b", {})) + "\n" + _OURS[-1] + "\n",
    ],
)
def test_marks_that_are_no_pair_are_left_to_the_user(content: str) -> None:
    with pytest.raises(ConfigurationError, match="has no whole block of /srv/a: line 1"):
        with_block(content, "/srv/a", _OURS)


def test_a_printed_block_is_read_again() -> None:
    assert read_block(_TEXT) == ("/srv/a", _OURS)


@pytest.mark.parametrize(
    "entry",
    [
        "127.0.0.1 github.com",
        "10.0.0.1 " + _NAME,
        "127.0.0.999 " + _NAME,
        f"127.0.0.1 {_NAME} github.com",
        "127.0.0.1 demo.cluster-c0123456789b.us-east-1.rds.amazonaws.com",
        f"127.0.0.1 demo.cluster-{domain('/srv/b', 'us-east-1')}",
        f"127.0.0.1 {_NAME.replace('us-east-1', 'eu-west-1')}",
        f"127.0.0.1 {_NAME}\r\n127.0.0.1 github.com",
        "# END auroractl /srv/a",
        "",
    ],
)
def test_a_block_with_anything_else_is_refused(entry: str) -> None:
    with pytest.raises(UsageError, match="not a block that auroractl hosts prints"):
        read_block("\n".join([_OURS[0], entry, _OURS[-1]]) + "\n")


@pytest.mark.parametrize(
    "text", ["", "\n", _OURS[0], _OURS[0] + "\n# END auroractl /srv/b\n", _TEXT + "x", "x\n" + _TEXT]
)
def test_a_text_without_the_marks_of_one_home_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a block that auroractl hosts prints"):
        read_block(text)
