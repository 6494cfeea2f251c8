"""What all clusters of a home share is found out once, by whichever thread comes first."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from auroractl.config.paths import Home
from auroractl.config.settings import Settings
from auroractl.core.engine.locales import Locale, Provider
from auroractl.core.engine.versions import EngineVersion
from auroractl.engine.binaries import Binaries
from auroractl.engine.secrets import InternalSecrets
from auroractl.runtime import installation
from auroractl.runtime.engine_builds import EngineBuilds
from auroractl.runtime.installation import Engine, Installation


def test_the_template_is_made_while_others_ask_for_the_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding, made = threading.Event(), []
    secrets = InternalSecrets("admin", "replication")

    def find_slowly(*_: Any) -> Binaries:
        finding.set()
        time.sleep(0.1)  # meanwhile the other thread is on its way into the secrets
        return Binaries(tmp_path, EngineVersion(18, 6))

    monkeypatch.setattr(installation, "database_account", lambda *_: None)
    monkeypatch.setattr(EngineBuilds, "pin", find_slowly)
    monkeypatch.setattr(installation, "load_internal_secrets", lambda _: secrets)
    monkeypatch.setattr(installation, "ensure_template", lambda *arguments, **_: made.append(arguments))
    shared = Installation(Home(tmp_path), Settings(), lambda _: Engine("18.6-0a1b2c3d", Locale(Provider.LIBC, "C")))
    making = threading.Thread(target=shared.template, args=("demo",), daemon=True)
    asking = threading.Thread(target=lambda: finding.wait(5) and shared.secrets, daemon=True)
    for thread in (making, asking):
        thread.start()
    for thread in (making, asking):
        thread.join(5)
        assert not thread.is_alive()
    assert [each[3] for each in made] == [secrets]
