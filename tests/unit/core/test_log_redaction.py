"""No data of a client survives in a log that was cleaned, however it was quoted and wherever the log was cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from auroractl.core.text.log_redaction import without_data
from auroractl.core.text.sql_redaction import without_literals

MARK = "Zq7Xj"
PREFIX = "2026-11-25 04:00:00.000 UTC [12] app@shop "
_AWKWARD = st.text("'\"\\$-/*\n\tEeuU&;(), ä1x", max_size=12)
CONTENT = st.builds(lambda before, after: f"{before}{MARK}{after}", _AWKWARD, _AWKWARD)


def _dollar(content: str) -> str:
    tag = next(tag for tag in ("", "a", "ab", "äö", "x_1", "last_one") if f"${tag}$" not in f"{content}$")
    return f"${tag}${content}${tag}$"


def _plain(content: str) -> str:
    return "'" + content.replace("'", "''") + "'"


def _backslashed(content: str) -> str:
    return "'" + content.replace("\\", "\\\\").replace("'", "\\'") + "'"


QUOTINGS: dict[str, Callable[[str], str]] = {
    "string": _plain,
    "E": lambda content: "E" + _backslashed(content),
    "e, quotes doubled": lambda content: "e'" + content.replace("\\", "\\\\").replace("'", "''") + "'",
    "U&": lambda content: "U&" + _plain(content.replace("\\", "\\\\")),
    "B": lambda content: "B" + _plain(content),
    "x": lambda content: "x" + _plain(content),
    "N": lambda content: "N" + _plain(content),
    "dollar": _dollar,
    "name": lambda content: '"' + content.replace('"', '""') + '"',
    "line comment": lambda content: "--" + content.replace("\n", " ") + "\n",
    "comment": lambda content: "/* /* inner */ " + content.replace("*/", "").replace("/*", "").strip("*/") + " */",
}
OLD_QUOTINGS = {**QUOTINGS, "string": _backslashed}
"""As with standard_conforming_strings = off."""
_CODE = st.sampled_from(
    ["select", "a.b", "tab$le", "1", "2.5e3", "$1", "+", "::int", ",", "(", ")", "=", "- ", "/ ", "E", ";"]
)


@st.composite
def statements(draw: st.DrawFn) -> str:
    quotings = draw(st.sampled_from([QUOTINGS, OLD_QUOTINGS]))
    pieces = draw(
        st.lists(_CODE | st.builds(lambda how, what: quotings[how](what), st.sampled_from(sorted(quotings)), CONTENT))
    )
    separators = draw(st.lists(st.sampled_from([" ", "\n", "\t", "  "]), min_size=len(pieces), max_size=len(pieces)))
    return "".join(f"{piece}{separator}" for piece, separator in zip(pieces, separators, strict=True))


def logged(label: str, text: str) -> str:
    """As PostgreSQL writes it: a tab before each further line."""
    return PREFIX + label + text.replace("\n", "\n\t")


@given(statements())
@example("select 'a\\' , 'Zq7Xj'")
@example("select E'a'\n'b\\'Zq7Xj'")
@example("insert into t values ('O'Brien', 'Zq7Xj')")
@example("/* never 'closed Zq7Xj")
@example("'Zq7Xj")
@example('select "Zq7Xj')
@example("1$$Zq7Xj$$")
@example("😀E'a\\' , 'Zq7Xj'")
def test_no_literal_survives(statement: str) -> None:
    assert MARK not in without_literals(statement)


def test_the_rest_of_a_statement_stays() -> None:
    statement = "INSERT INTO shop.orders (id, name$x) VALUES ($1, 17, 'x', E'y\\'z') ON CONFLICT DO NOTHING -- why"
    kept = (
        "INSERT INTO shop.orders (id, name$x) VALUES ($1, 17, [removed], E[removed]) ON CONFLICT DO NOTHING [removed]"
    )
    assert without_literals(statement) == kept


LABELS = [
    "STATEMENT:  ",
    "LOG:  statement: ",
    "LOG:  execute <unnamed>: ",
    "LOG:  execute S_1/C_2: ",
    "LOG:  duration: 0.123 ms  statement: ",
    "LOG:  duration: 12 ms  parse S_1: ",
    "LOG:  duration: 12 ms  bind <unnamed>: ",
    "LOG:  duration: 12.1 ms  plan:\n\tQuery Text: ",
    "LOG:  AUDIT: SESSION,1,1,READ,SELECT,,,",
    "QUERY:  ",
]


@given(st.sampled_from(LABELS), statements(), st.integers(min_value=0))
def test_no_literal_survives_in_a_log_wherever_it_was_cut(label: str, statement: str, cut: int) -> None:
    log = "\n".join([logged("LOG:  first", ""), logged(label, statement), logged("LOG:  last", ""), ""])
    assert MARK not in without_data(log)
    # The end of a long log begins with the first whole line.
    rest = log[cut % len(log) :].partition("\n")[2]
    cleaned = without_data(rest)
    assert MARK not in cleaned
    assert cleaned.endswith(logged("LOG:  last", "") + "\n") or "LOG:  last" not in rest


@pytest.mark.parametrize(
    ("label", "text"),
    [
        ("DETAIL:  ", f"Parameters: $1 = '{MARK}', $2 = NULL"),
        ("DETAIL:  ", f"Key (email)=({MARK}@example.com) already exists."),
        ("DETAIL:  ", f"Failing row contains (1, {MARK}, null)."),
        ("CONTEXT:  ", f'COPY t, line 1, column a: "{MARK}"'),
        ("CONTEXT:  ", f"JSON data, line 1: {MARK}"),
        ("HINT:  ", f"Did you mean {MARK}?"),
        ("ERROR:  ", f'invalid input syntax for type integer: "{MARK}" at character 8'),
        ("ERROR:  ", f'invalid input: "a"{MARK}"b"'),
        ("ERROR:  ", f"value {MARK!r} can't be"),
        ("WARNING:  ", f'syntax error at or near "{MARK}'),
        ("LOG:  statement: ", f"ALTER ROLE x PASSWORD '{MARK}'"),
    ],
)
@pytest.mark.parametrize("user", ["app@shop ", "LOG:  x@shop ", "a\nb@shop ", "a\n\tLOG:  b@shop ", "ERROR:  @shop "])
def test_details_and_errors_go(label: str, text: str, user: str) -> None:
    """Also where the name of a user or a database looks like a label, or breaks the line."""
    line = f"2026-11-25 04:00:00.000 UTC [12] {user}{label}{text}"
    assert MARK not in without_data(f"{line}\n\t{MARK if label in ('DETAIL:  ', 'CONTEXT:  ', 'HINT:  ') else ''}\n")


@pytest.mark.parametrize("user", ["app", "a\nb", "a\n\nERROR:  b", "a\n2026-11-25 04:00:00.000 UTC [1] b"])
@pytest.mark.parametrize("severity", ["ERROR", "WARNING", "LOG", "NOTICE", "INFO"])
def test_what_functions_raise_goes(severity: str, user: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.unit.core.test_log_redaction.PREFIX", f"2026-11-25 04:00:00.000 UTC [12] {user}@shop ")
    log = "\n".join(
        [
            logged("LOG:  kept", ""),
            logged(f"{severity}:  ", f"the card is {MARK}\nand {MARK}"),
            logged("DETAIL:  ", MARK),
            logged("CONTEXT:  ", "PL/pgSQL function pay(text) line 3 at RAISE"),
            logged("STATEMENT:  ", "select pay($1)"),
            logged("LOG:  kept too", ""),
        ]
    )
    cleaned = without_data(log)
    assert MARK not in cleaned
    assert "LOG:  kept\n" in cleaned
    assert cleaned.endswith("LOG:  kept too")
    assert "STATEMENT:  select pay($1)" in cleaned


_LINES = st.sampled_from(
    [
        "2026-11-25 04:00:00.000 UTC [1] LOG:  database system is ready to accept connections",
        '2026-11-25 04:00:00.000 UTC [9] FATAL:  could not open file "/x": Permission denied',
        "2026-11-25 04:00:00.000 UTC [9] a@b LOG:  duration: 12.300 ms",
        "2026-11-25T04:00:00.000Z INFO failover of 'demo' begins",
        "pg_receivewal: error: could not connect to server",
        "cp: cannot stat '/home/x': No such file or directory",
        "",
        "\ta line that continues one",
    ]
)


@given(st.lists(_LINES).map(lambda lines: ["2026-11-25 04:00:00.000 UTC [1] LOG:  starts", *lines]))
def test_lines_of_no_statement_stay(lines: list[str]) -> None:
    assert without_data("\n".join(lines)) == "\n".join(lines)
