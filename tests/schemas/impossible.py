"""What of aurora_shop.sql cannot be had here, entry by entry, with the reason and the sentence that PostgreSQL gives."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from auroractl.core.engine.locales import AURORA, how_to_add, normalized


@dataclass(frozen=True)
class Impossible:
    """An entry that does not load."""

    entry: str
    sentence: str
    reason: str
    instead: str = ""
    """What to write in place of its first statement; without, the whole entry is left out."""


_SUPERUSER = "PostgreSQL leaves this to superusers, in every build; leave it out"
_ICU = "This build was compiled without ICU; choose one that has it: auroractl describe-db-engine-versions"
_LOCALE = f"This system does not have the locale. {how_to_add(AURORA)}, then create the cluster"
_NO_NAMES = 'relation "catalog.names" does not exist'
_NO_VIEW = 'relation "catalog.in_dictionary_order" does not exist'
_OF_SUPERUSERS = {
    "EVENT TRIGGER note_ddl": 'permission denied to create event trigger "note_ddl"',
    "COMMENT EVENT TRIGGER note_ddl": 'event trigger "note_ddl" does not exist',
    "EVENT TRIGGER note_drop": 'permission denied to create event trigger "note_drop"',
    "PUBLICATION everything": "must be superuser to create FOR ALL TABLES publication",
    "PUBLICATION TABLES IN SCHEMA catalog.everything_sold catalog": "must be superuser to add or set schemas",
}
_WITH_ICU = {"COLLATION shop.any_case": "ICU is not supported in this build"}
_WITH_LOCALE = {
    "VIEW catalog.in_dictionary_order": 'collation "en_US.utf8" for encoding "UTF8" does not exist',
    "ACL catalog.TABLE in_dictionary_order": _NO_VIEW,
    "TABLE catalog.names": 'collation "pg_catalog.en_US.utf8" for encoding "UTF8" does not exist',
    "COMMENT catalog.TABLE names": _NO_NAMES,
    "CONSTRAINT catalog.names names_pkey": _NO_NAMES,
    "INDEX catalog.names_name_idx": _NO_NAMES,
    "ACL catalog.TABLE names": _NO_NAMES,
}
_DATABASE = Impossible(
    "DATABASE shop", f'invalid LC_COLLATE locale name: "{AURORA}"', _LOCALE,
    instead="CREATE DATABASE shop WITH TEMPLATE = template0 ENCODING = 'UTF8';",
)  # fmt: skip


def impossible(features: Collection[str], locales: Collection[str]) -> Iterator[Impossible]:
    """Return what does not load in a build with some features, on a system with some locales."""
    yield from (Impossible(entry, sentence, _SUPERUSER) for entry, sentence in _OF_SUPERUSERS.items())
    if "icu" not in features:
        yield from (Impossible(entry, sentence, _ICU) for entry, sentence in _WITH_ICU.items())
    if normalized(AURORA) not in locales:
        yield _DATABASE
        yield from (Impossible(entry, sentence, _LOCALE) for entry, sentence in _WITH_LOCALE.items())
