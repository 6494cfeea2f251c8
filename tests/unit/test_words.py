"""The words of the code and the documents: docs/glossary.md has the terms, this the phrases that they replace."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import auroractl

PACKAGE = Path(auroractl.__file__).parent
CHECKOUT = PACKAGE.parent
REPLACEMENTS = {
    r"anew": "again, or restart, recreate, restore",
    r"whoever|whomever|whosoever": "anyone who, any process that",
    r"in vain": "without success",
    r"(run|work|know|answer|live|end|come|believe|take|follow)s? not(?! only)": "does not ..., is not running",
    r"for ever": "forever, indefinitely, without limit",
    r"(go|goes|going|went|gone) on": "continue, keep running",
    r"so many(?!\W+(?:\w+\W+){1,8}that\b)": "this many, that number of",
    r"for so long": "for this long",
    r"what (is|was) told": "what is reported",
    r"had got": "had reached",
    r"nobody": "no one, no process, no client",
    r"(be|is|are|was|not|all|everything) well(?! known)": "healthy, in order",
    r"all the same": "even so, nevertheless",
    r"where (there is|there are|it has) none": "if there is none",
    r"raises \w+(?:,? (?:and )?\w+){0,3} where": "raises ... if",
    r"(look|looks|looked|looking) after": "maintain, manage",
    r"(lay|lays|laid|laying)( \w+){0,6} ready": "stage",
    r"of late": "recently",
    r"to speak of": "significant",
    r"(can|could|cannot|may) bear": "tolerate, allow",
    r"(place|places) in the (log|WAL)": "LSN, recovery point",
    r"clock on the wall": "wall clock",
    r"in good order": "cleanly",
    r"thereof|therein|wherein|hitherto|henceforth|hereby": "(a plainer word)",
    r"till": "until",
    r"(meets?|met) an error": "fails, failed",
    r"told as": "shown as, reported as",
    r"to begin with": "at first (or leave it out)",
    r"(is|are|was|were) looked at": "is examined, inspected, read",
    r"(is|are|was|were) under way": "is in progress",
    r"stood still": "was suspended",
    r"can(not)? be believed": "is trustworthy, has no trustworthy copy",
    r"nothing can refuse": "the operation has been accepted",
    r"moments? that (was|were|can)": "time in the past, point in time",
    r"picked up again": "resumed",
    r"cut off anywhere": "interrupted at any point",
    r"held down|holds? (it|them) down": "kept down by a fault",
    r"(gives?|giving|gave) way": "runs at low priority",
    r"(sees?|saw) to": "handles, performs",
    r"(comes?|came) about": "happens, is reached",
    r"(take|takes|taken|took) away": "remove, fence",
    r"lies? (there|on|in|at)": "is in",
    r"stands? (there|beside)": "is",
    r"(is|are|was|were) given up": "is pruned, removed, abandoned",
    r"gets? on": "progresses",
    r"some(body|body's)": "a user, a process",
}
"""Phrases, as regular expressions without regard to case, and what to write in their place."""

NOT_CHECKED = ("docs/glossary.md",)
"""It lists the synonyms not to use."""
SUMMARY_WORDS_MAX = 20

_PHRASES = {re.compile(rf"\b(?:{phrase})\b", re.IGNORECASE): better for phrase, better in REPLACEMENTS.items()}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _documents() -> list[Path]:
    found = [CHECKOUT / "README.md", *(CHECKOUT / "docs").glob("*.md")]
    return sorted(path for path in found if path.exists() and path.relative_to(CHECKOUT).as_posix() not in NOT_CHECKED)


def _texts(source: str) -> Iterator[tuple[int, str]]:
    """Docstrings and other literals; comments that follow each other are one text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    block: list[str] = []
    line = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != line + 1:
            yield line, " ".join(block)
            block = []
        line = token.start[0]
        block.append(token.string.lstrip("# "))
    yield line, " ".join(block)


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    line = 1
    for paragraph in text.split("\n\n"):
        yield line, paragraph
        line += paragraph.count("\n") + 2


def _faults(name: str, texts: Iterator[tuple[int, str]]) -> list[str]:
    return [
        f"{name}:{line}: {found[0]!r}, better: {better}"
        for line, text in texts
        for phrase, better in _PHRASES.items()
        for found in phrase.finditer(re.sub(r"\s+", " ", text))
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a node that\nruns not", ["runs not"]),
        ("so many copies were lost at once that few are left", []),
        ("reads go on", ["go on"]),
        ("a pangolin", []),
    ],
)
def test_phrases_are_found_across_line_breaks_and_as_whole_words(text: str, found: list[str]) -> None:
    assert [fault.split("'")[1] for fault in _faults("x", iter([(1, text)]))] == found


def test_the_code_has_none_of_the_replaced_phrases() -> None:
    assert [
        fault
        for path in _modules()
        for fault in _faults(path.relative_to(CHECKOUT).as_posix(), _texts(path.read_text()))
    ] == []


def test_the_documents_have_none_of_the_replaced_phrases() -> None:
    assert [
        fault
        for path in _documents()
        for fault in _faults(path.relative_to(CHECKOUT).as_posix(), _paragraphs(path.read_text()))
    ] == []


def test_a_summary_is_one_line_of_at_most_twenty_words() -> None:
    found = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (ast.get_docstring(node) or "").split("\n")
                sentence = re.split(r"(?<=\.) ", lines[0])[0]
                if len(sentence.split()) > SUMMARY_WORDS_MAX or (len(lines) > 1 and lines[1]):
                    found.append(f"{path.relative_to(CHECKOUT)}: {lines[0]}")
    assert found == []
