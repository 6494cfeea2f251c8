"""What is looked for in the log while the keeper prunes it."""

from __future__ import annotations

import pytest

from auroractl.core.errors import AuroraError, MachineError, QuorumLost
from auroractl.services.restore import recovery_point


@pytest.mark.parametrize("error", [QuorumLost("No copy.", ""), MachineError("could not find any WAL file", "")])
def test_log_that_was_pruned_meanwhile_is_looked_for_once_more(error: AuroraError) -> None:
    looked = []

    def look() -> recovery_point.RecoveryPoint:
        looked.append(1)
        raise error

    with pytest.raises(type(error)):
        recovery_point._searched_again(look)
    assert len(looked) == 2
