"""Times of events that people give."""

from __future__ import annotations

import pytest

from auroractl.core.errors import InvalidParameterValue
from auroractl.services.observation.history import _moment


@pytest.mark.parametrize("text", ["soon", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_what_is_no_time_in_utc_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidParameterValue, match=r"StartTime.*is not a time"):
        _moment("StartTime", text)
