"""Settings: defaults, the user's file, the home's file, AURORACTL_* variables; the last one wins."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import tomli

from auroractl.config.paths import Home, user_config
from auroractl.config.reading import read_file_text
from auroractl.config.toml_lines import line_of
from auroractl.core.errors import AuroraError, ConfigurationError
from auroractl.core.guessing import did_you_mean
from auroractl.core.text.sizes import parse_size_bytes
from auroractl.core.volume.durability import Durability

OUTPUTS = ("table", "json", "yaml", "text")
ADDRESSES = ("auto", "block", "ports")
ENDPOINT_MODES = ("address", "dns")
DURABILITIES = tuple(each.value for each in Durability)
_SIZES = frozenset(
    {"storage_group_size", "storage_max_capacity", "log_keep_size", "backtrack_replay_max", "backtrack_disk_budget"}
)
_PARAMETERS = frozenset({"shared_buffers", "max_wal_size", "wal_keep_size"})
_PARAMETER_SIZE = re.compile(r"\d+ ?(kB|MB|GB|TB)")
"""https://www.postgresql.org/docs/18/config-setting.html#CONFIG-SETTING-NAMES-VALUES"""
_DNS_SUFFIX = re.compile(r"(?=.{1,100}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_LOOPBACK = re.compile(r"127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}:[1-9]\d{0,4}", re.ASCII)
_ENVIRONMENT_PREFIX = "AURORACTL_"
_OTHER_VARIABLES = frozenset({"HOME", "CONFIG", "CLUSTER", "CRASH_AT", "BOOT_ID"})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their defaults; docs/configuration.md explains each."""

    default_cluster: str = ""
    output: str = "table"
    region: str = "us-east-1"
    run_as: str = ""
    """Account of the database processes if auroractl runs as root.

    Empty: the account of the home's databases, otherwise `auroractl`.
    """
    postgresql_folder: str = ""
    """The default PostgreSQL installation (the parent of bin). Empty: the one from the wheel."""
    postgresql_folders: str = ""
    """Further PostgreSQL installations for `--engine-version`, separated by colons."""
    aws_extensions: bool = False
    """True if `aws_commons`, `aws_s3` and `aws_lambda` can be created; their functions only raise errors."""
    aurora_sql: bool = True
    """True if every database gets Aurora's SQL functions, by which drivers recognise Aurora."""
    addresses: str = "auto"
    dns_suffix: str = "amazonaws.com"
    """The end of all DNS names. AWS's drivers recognise no other one."""
    dns: str = ""
    """Loopback address and port of the DNS server. Empty: there is none."""
    endpoint_mode: str = "address"
    """Whether DNS answers names of endpoints with an endpoint's own address, or with those of its members."""
    aws_failover_s: float = 30.0
    """How long `failover --like-aws` leaves the cluster without a writer."""
    hosts_file: str = "/etc/hosts"
    """The file that `auroractl hosts --write` changes."""
    tls: bool = True
    """True if endpoints end TLS for clients that ask for it."""
    api_credentials: str = ""
    """File of AWS access keys with which tokens of IAM authentication must be signed. Empty: any signature will do."""
    durability: str = "everywhere"
    """What new clusters flush to disk: the writer (machine), all copies (everywhere) or nothing (none)."""
    connections_max: int = 1000
    """Client connections that one endpoint accepts and that an instance allows."""
    hold_timeout_s: float = 30.0
    """How long a new connection waits at an endpoint without an available instance."""
    close_promoted_readers: bool = False
    """True if sessions that came through an endpoint of readers end when their reader becomes the writer."""
    drain_timeout_s: float = 180.0
    """How long statements on a reader that is being removed may keep running (Aurora: three minutes)."""
    start_timeout_s: float = 60.0
    stop_timeout_s: float = 60.0
    probe_interval_s: float = 0.5
    probe_timeout_s: float = 2.0
    restarts_max: int = 5
    restarts_within_s: float = 300.0
    detached_after_s: float = 10.0
    suspended_after_s: float = 1.0
    """A server whose process has been stopped by a signal for this long is killed and replaced."""
    silent_after_s: float = 4.0
    """A writer whose server is running but has not answered probes for this long is killed and replaced."""
    stalled_after_s: float = 10.0
    """A writer whose disk has stored no WAL for this long, although processes wait for it, is killed and replaced."""
    supervisor_idle_s: float = 600.0
    """A supervisor without clusters and requests ends after this time; 0: never."""
    history_days: int = 14
    """Retention of events and finished operations (Amazon RDS: 14 days)."""
    shared_buffers: str = "128MB"
    max_wal_size: str = "1GB"
    wal_keep_size: str = "512MB"
    storage_group_size: str = "10GiB"
    """The protection group size of new volumes."""
    storage_max_capacity: str = "128TiB"
    storage_headroom_percent: int = 10
    """Share of the allocation that is kept free."""
    node_timeout_s: float = 2.0
    """A storage node that has not acknowledged for this long does not count."""
    scrub_rate_mb_per_s: float = 10.0
    """Rate at which finished segments are scrubbed."""
    repair_rate_mb_per_s: float = 200.0
    repairs_at_once: int = 2
    """Storage nodes of a cluster that are repaired from their peers at the same time."""
    backtrack_replay_max: str = "1GiB"
    """The most WAL that a backtrack to any point in the window has to replay."""
    backtrack_disk_budget: str = "20GiB"
    """Limit on a cluster's recovery images and WAL; beyond it the backtrack window shrinks."""
    backtrack_rate_mb_per_s: float = 100.0
    """Rate at which recovery images are copied in the background."""
    enforce_synchronous_commit: bool = False
    """True if endpoints refuse weaker values of synchronous_commit, and those of databases and roles are reset."""
    log_keep_size: str = "1GiB"
    """Finished WAL that each storage node keeps beyond what running readers still need."""


_CHOICES = {
    "output": OUTPUTS, "addresses": ADDRESSES, "endpoint_mode": ENDPOINT_MODES, "durability": DURABILITIES,
}  # fmt: skip
_MAY_BE_ZERO = {"supervisor_idle_s"}
_DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Settings)}


def load_settings(home: Home, environment: Mapping[str, str] | None = None) -> Settings:
    """Load the settings of a home.

    Raises ConfigurationError naming file and line for a broken file, an unknown key or a wrong type.
    """
    settings = Settings()
    for path in (user_config(), home.config):
        settings = _merge_file(settings, path)
    return _merge_environment(settings, os.environ if environment is None else environment)


@dataclass(frozen=True, slots=True)
class Origin:
    """A setting's value and its origin: a file with a line, an environment variable, or neither."""

    key: str
    value: str | int | float | bool
    default: str | int | float | bool
    file: Path | None = None
    line: int | None = None
    variable: str | None = None


def origins(home: Home, environment: Mapping[str, str] | None = None) -> list[Origin]:
    """List all settings of a home, in the order of their documentation. Raises as load_settings does."""
    variables = os.environ if environment is None else environment
    settings = load_settings(home, variables)
    found = {key: Origin(key, getattr(settings, key), default) for key, default in _DEFAULTS.items()}
    for path in (user_config(), home.config):
        text, document = read_settings(path)
        for key in document:
            found[key] = replace(found[key], file=path, line=line_of(text, (key,)))
    for key, origin in found.items():
        variable = _ENVIRONMENT_PREFIX + key.upper()
        if variable in variables:
            found[key] = replace(origin, file=None, line=None, variable=variable)
    chosen = variables.get("AURORACTL_CLUSTER")
    if chosen:
        found["default_cluster"] = Origin("default_cluster", chosen, "", variable="AURORACTL_CLUSTER")
    return list(found.values())


def read_settings(path: Path) -> tuple[str, dict[str, Any]]:
    """Read a settings file as text and as unchecked values; empty if there is no file.

    Raises ConfigurationError naming the line if it is not TOML.
    """
    try:
        text = "" if path == Path(os.devnull) else read_file_text(path)
    except (FileNotFoundError, NotADirectoryError):
        return "", {}
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{path} cannot be read: {error}", "Make it readable UTF-8, or remove it") from error
    try:
        return text, tomli.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: {error}", "Correct the line; the format is TOML") from error


def _merge_file(settings: Settings, path: Path) -> Settings:
    text, document = read_settings(path)
    values: dict[str, Any] = {}
    for key, value in document.items():
        try:
            values[key] = _checked(key, value)
        except ConfigurationError as error:
            place = f"{path}, line {line_of(text, (key,))}"
            raise ConfigurationError(f"{place}: {error.message}", error.hint) from error
    return replace(settings, **values)


def _merge_environment(settings: Settings, environment: Mapping[str, str]) -> Settings:
    values: dict[str, Any] = {}
    for variable, text in environment.items():
        name = variable.removeprefix(_ENVIRONMENT_PREFIX)
        key = name.lower()
        if name == variable or name in _OTHER_VARIABLES or key not in _DEFAULTS:
            continue
        value = _from_text(variable, text, _DEFAULTS[key])
        try:
            values[key] = _checked(key, value)
        except ConfigurationError as error:
            raise ConfigurationError(f"{variable}: {error.message}", error.hint) from error
    return replace(settings, **values)


def _from_text(variable: str, text: str, default: Any) -> Any:
    """Convert an environment variable to the type of the default."""
    if isinstance(default, bool):
        if text.lower() not in _TRUTHS:
            raise ConfigurationError(
                f"{variable}={text!r} is not true or false.", f"Set {variable} to true or false, or unset it"
            )
        return _TRUTHS[text.lower()]
    try:
        return type(default)(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{variable}={text!r} is not a number.", f"Set {variable} to a number, or unset it"
        ) from error


def _checked(key: str, value: Any) -> Any:
    if key not in _DEFAULTS:
        hint = did_you_mean(key, _DEFAULTS, "docs/configuration.md lists all keys")
        raise ConfigurationError(f"unknown key {key!r}.", hint)
    default = _DEFAULTS[key]
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not type(default):
        raise ConfigurationError(
            f"{key} must be {_KIND[type(default)]}, not {value!r}.", f"The default is {_shown(default)}"
        )
    allowed = _CHOICES.get(key)
    if allowed and value not in allowed:
        raise ConfigurationError(f"{key} must be one of {', '.join(allowed)}, not {value!r}.", "")
    if key in _SIZES:
        try:
            parse_size_bytes(str(value))
        except AuroraError as error:
            raise ConfigurationError(f"{key}: {error.message}", error.hint) from error
    if key in _PARAMETERS and not _PARAMETER_SIZE.fullmatch(str(value)):
        raise ConfigurationError(
            f"{key} must be a size with one of PostgreSQL's units, not {value!r}.",
            f"Write kB, MB, GB or TB behind the number; the default is {default!r}",
        )
    if key == "dns" and value and not (_LOOPBACK.fullmatch(value) and int(value.rpartition(":")[2]) < 65536):
        raise ConfigurationError(
            f"{key} must be a loopback address and a port, not {value!r}.", 'Write it like "127.0.0.1:5380"'
        )
    if key == "hosts_file" and not (value.startswith("/") and value.isprintable()):
        raise ConfigurationError(f"{key} must be the whole path of a file, not {value!r}.", "The default is /etc/hosts")
    if key == "dns_suffix" and not _DNS_SUFFIX.fullmatch(value):
        raise ConfigurationError(
            f"{key} must be the end of a DNS name in lower case, not {value!r}.", f"The default is {default!r}"
        )
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if numeric and (value < 0 or (value == 0 and key not in _MAY_BE_ZERO)):
        least = "0 or more" if key in _MAY_BE_ZERO else "more than 0"
        raise ConfigurationError(f"{key} must be {least}, not {value}.", f"The default is {default!r}")
    return value


def _shown(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else repr(default)


_KIND = {str: "text in quotes", int: "a whole number", float: "a number", bool: "true or false"}
_TRUTHS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}
