"""JSON of somebody else."""

from __future__ import annotations

import pytest

from auroractl.core.errors import InvalidParameterValue
from auroractl.core.text.bounded_json import DEPTH_MAX, bounded_object


def test_an_object_is_read_whatever_its_texts_hold() -> None:
    assert bounded_object(b'{"a": "[[[[[[[[[[[[[[[[[[[[[[\\"{{{", "b": [1, {"c": null}]}') == {
        "a": '[[[[[[[[[[[[[[[[[[[[[["{{{',
        "b": [1, {"c": None}],
    }
    assert bounded_object(b"[" * 0 + b'{"a":' * (DEPTH_MAX - 1) + b"{}" + b"}" * (DEPTH_MAX - 1))


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"{", b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"\\u0000": 1}', b'{"a": ["\\u0000"]}', b"\xff", b"\xef\xbb\xbf{}", '{"a": 1}'.encode("utf-16"),
        b"[" * 60_000, b'{"a":' * (DEPTH_MAX + 1) + b"1" + b"}" * (DEPTH_MAX + 1), b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":"' + b"\\" * 60_001 + b'"}',
    ],
)  # fmt: skip
def test_what_is_none_or_out_of_bounds_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidParameterValue):
        bounded_object(content)
