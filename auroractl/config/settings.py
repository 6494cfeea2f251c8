"""Settings: defaults, then the person's file, then the home's file, then AURORACTL_* variables; the last one wins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import tomli

from auroractl.config.paths import Home, user_config
from auroractl.core.errors import AuroraError, ConfigurationError
from auroractl.core.guessing import did_you_mean
from auroractl.core.sizes import parse_size_bytes

OUTPUTS = ("table", "json", "yaml", "text")
ADDRESSES = ("auto", "block", "ports")
_SIZES = frozenset(
    {"storage_group_size", "storage_max_capacity", "log_keep_size", "backtrack_replay_max", "backtrack_disk_budget"}
)
_PARAMETERS = frozenset({"shared_buffers", "max_wal_size", "wal_keep_size"})
_PARAMETER_SIZE = re.compile(r"\d+ ?(kB|MB|GB|TB)")
"""https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-NAMES-VALUES"""
_ENVIRONMENT_PREFIX = "AURORACTL_"
_OTHER_VARIABLES = frozenset({"HOME", "CONFIG", "CLUSTER", "CRASH_AT"})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their defaults; docs/configuration.md explains each."""

    default_cluster: str = ""
    output: str = "table"
    region: str = "us-east-1"
    run_as: str = ""
    """The account of the database processes when auroractl runs as root; empty: postgres, else one is created."""
    postgresql_folder: str = ""
    """A PostgreSQL 18 installation (the folder above bin); empty: the one from the wheel."""
    addresses: str = "auto"
    connections_max: int = 1000
    """Client connections that one endpoint accepts and that an instance has room for."""
    hold_timeout_s: float = 30.0
    """How long a new connection waits at an endpoint that has nobody to hand it to."""
    drain_timeout_s: float = 180.0
    """How long running statements on a reader that is being removed may go on (Aurora: three minutes)."""
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 60.0
    probe_interval_s: float = 0.5
    probe_timeout_s: float = 2.0
    restarts_max: int = 5
    restarts_within_s: float = 300.0
    detached_after_s: float = 10.0
    suspended_after_s: float = 1.0
    """A server whose process has been stopped by a signal for so long is ended and replaced."""
    silent_after_s: float = 4.0
    """A writer whose server runs and has not answered probes for so long is ended and replaced."""
    stalled_after_s: float = 10.0
    """A writer whose disk has taken no log for so long, although processes wait for that, is ended and replaced."""
    supervisor_idle_s: float = 600.0
    """A supervisor without clusters that nobody has asked for so long ends by itself; 0: it never does."""
    history_days: int = 14
    """How long events and finished operations are kept (Amazon RDS: 14 days)."""
    shared_buffers: str = "128MB"
    max_wal_size: str = "1GB"
    wal_keep_size: str = "512MB"
    storage_group_size: str = "10GiB"
    """The size of a protection group of new volumes."""
    storage_max_capacity: str = "128TiB"
    storage_headroom_percent: int = 10
    """How much of what is allocated is kept free."""
    node_timeout_s: float = 2.0
    """A storage node that has not acknowledged for so long does not count."""
    scrub_rate_mb_per_s: float = 10.0
    """How fast finished log is read again to find damage."""
    repair_rate_mb_per_s: float = 200.0
    repairs_at_once: int = 2
    """Storage nodes of a cluster that are filled from their peers at the same time."""
    backtrack_replay_max: str = "1GiB"
    """The most log that a backtrack to any moment of the window has to replay."""
    backtrack_disk_budget: str = "20GiB"
    """What page images and log of a cluster may take before its backtrack window becomes smaller."""
    backtrack_rate_mb_per_s: float = 100.0
    """How fast page images are copied while there is time."""
    log_keep_size: str = "1GiB"
    """Finished log that each storage node keeps beyond what running readers still need."""


_MAY_BE_ZERO = {"supervisor_idle_s"}
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Settings)}


def load_settings(home: Home, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings that hold for a home.

    Raises ConfigurationError naming file and line for a broken file, an unknown key or a wrong type.
    """
    settings = Settings()
    for path in (user_config(), home.config):
        settings = _merge_file(settings, path)
    return _merge_environment(settings, os.environ if environment is None else environment)


@dataclass(frozen=True, slots=True)
class Origin:
    """A setting's value and where it comes from: a file with a line, an environment variable, or neither."""

    key: str
    value: str | int | float
    default: str | int | float
    file: Path | None = None
    line: int | None = None
    variable: str | None = None


def origins(home: Home, environment: Mapping[str, str] | None = None) -> list[Origin]:
    """All settings that hold for a home, in the order in which they are documented. Raises as load_settings does."""
    variables = os.environ if environment is None else environment
    settings = load_settings(home, variables)
    found = {key: Origin(key, getattr(settings, key), default) for key, default in _DEFAULTS.items()}
    for path in (user_config(), home.config):
        text, document = read_settings(path)
        for key in document:
            found[key] = replace(found[key], file=path, line=_line_of(text, key))
    for key, origin in found.items():
        variable = _ENVIRONMENT_PREFIX + key.upper()
        if variable in variables:
            found[key] = replace(origin, file=None, line=None, variable=variable)
    chosen = variables.get("AURORACTL_CLUSTER")
    if chosen:
        found["default_cluster"] = Origin("default_cluster", chosen, "", variable="AURORACTL_CLUSTER")
    return list(found.values())


def read_settings(path: Path) -> tuple[str, dict[str, Any]]:
    """A settings file as text and as values, which are not checked; nothing where there is no file.

    Raises ConfigurationError naming the line for what is not TOML.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return "", {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", "Make it readable UTF-8, or remove it") from error
    try:
        return text, tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: {error}", "Correct the line; the format is TOML") from error


def _merge_file(settings: Settings, path: Path) -> Settings:
    text, document = read_settings(path)
    values: dict[str, Any] = {}
    for key, value in document.items():
        place = f"{path}, line {_line_of(text, key)}"
        values[key] = _checked(key, value, place)
    return replace(settings, **values)


def _merge_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(_ENVIRONMENT_PREFIX)
        key = name.lower()
        if name == variable or name in _OTHER_VARIABLES or key not in _DEFAULTS:
            continue
        try:
            value = type(_DEFAULTS[key])(text)
        except ValueError as error:
            raise ConfigurationError(
                f"{variable}={text!r} is not a number.", f"Set {variable} to a number, or unset it"
            ) from error
        values[key] = _checked(key, value, variable)
    return replace(settings, **values)


def _line_of(text: str, key: str) -> int:
    pattern = re.compile(rf"^\s*(\[+\s*)?[\"']?{re.escape(key)}[\"']?\s*[.=\]]")
    return next((number for number, line in enumerate(text.splitlines(), 1) if pattern.match(line)), 1)


def _checked(key: str, value: Any, place: str) -> Any:
    if key not in _DEFAULTS:
        hint = did_you_mean(key, _DEFAULTS, "docs/configuration.md lists all keys")
        raise ConfigurationError(f"{place}: unknown key {key!r}.", hint)
    default = _DEFAULTS[key]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise ConfigurationError(
            f"{place}: {key} must be {_KIND[type(default)]}, not {value!r}.", f"The default is {default!r}"
        )
    allowed = {"output": OUTPUTS, "addresses": ADDRESSES}.get(key)
    if allowed and value not in allowed:
        raise ConfigurationError(f"{place}: {key} must be one of {', '.join(allowed)}, not {value!r}.", "")
    if key in _SIZES:
        try:
            parse_size_bytes(str(value))
        except AuroraError as error:
            raise ConfigurationError(f"{place}: {key}: {error.message}", error.hint) from error
    if key in _PARAMETERS and not _PARAMETER_SIZE.fullmatch(str(value)):
        raise ConfigurationError(
            f"{place}: {key} must be a size with one of PostgreSQL's units, not {value!r}.",
            f"Write kB, MB, GB or TB behind the number; the default is {default!r}",
        )
    if isinstance(value, int | float) and (value < 0 or (value == 0 and key not in _MAY_BE_ZERO)):
        least = "0 or more" if key in _MAY_BE_ZERO else "more than 0"
        raise ConfigurationError(f"{place}: {key} must be {least}, not {value}.", f"The default is {default!r}")
    return value


_KIND = {str: "text in quotes", int: "a whole number", float: "a number"}
