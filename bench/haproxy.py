"""HAProxy in TCP mode in front of an instance, to compare the endpoint process with."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.setting import Setting

_CONFIGURATION = """\
global
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen writer
  bind {host}:{port}{tls}
  server writer {target}
"""


@contextmanager
def haproxy(setting: Setting, target: tuple[str, int], pem: str = "") -> Iterator[tuple[str, int] | None]:
    """Run HAProxy, which ends TLS with `pem` if there is one; None where it is not installed.

    It knows nothing of PostgreSQL's request for TLS, so clients begin TLS at once (sslnegotiation=direct).
    """
    program = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")
    if program is None:
        yield None
        return
    host, port = target[0].rpartition(".")[0] + ".254", target[1]
    configuration, certificate = Path(setting.home) / "haproxy.cfg", Path(setting.home) / "haproxy.pem"
    certificate.touch(0o600)
    certificate.write_text(pem)
    tls = f" ssl crt {certificate} alpn postgresql" if pem else ""
    configuration.write_text(_CONFIGURATION.format(host=host, port=port, tls=tls, target=f"{target[0]}:{target[1]}"))
    with subprocess.Popen([program, "-f", str(configuration)]) as process:
        try:
            time.sleep(0.5)
            yield host, port
        finally:
            process.terminate()
