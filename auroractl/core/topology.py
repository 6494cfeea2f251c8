"""Placement, naming, promotion order and removal order of instances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

from auroractl.core.model import Instance

_NAME_STEM_LENGTH_MAX = 50


def availability_zone(zones: Sequence[str], placed: Sequence[Instance]) -> str:
    """Choose the AZ for the next instance: the one with the fewest instances.

    The first three instances are therefore in three AZs. Aurora places the first three in different AZs and later ones
    at random; even placement is better than random.
    """
    counts = Counter(instance.availability_zone for instance in placed)
    return min(zones, key=lambda zone: (counts[zone], zones.index(zone)))


def instance_names(cluster: str, taken: Collection[str]) -> Iterator[str]:
    """Return free instance identifiers in the AWS console's form: `NAME-instance-1`, `NAME-instance-2`, ..."""
    stem = cluster[:_NAME_STEM_LENGTH_MAX].rstrip("-")
    number = 1
    while True:
        name = f"{stem}-instance-{number}"
        if name not in taken:
            yield name
        number += 1


def promotion_order(readers: Sequence[Instance], lsn: Mapping[str, int]) -> list[Instance]:
    """Return the readers in the order in which Aurora would promote them.

    The lowest tier first, then the furthest LSN (all instances have one size here), then the name. `lsn` holds the
    received position in bytes by instance; a missing one counts as 0.
    """
    return sorted(
        readers, key=lambda reader: (reader.promotion_tier, -lsn.get(reader.identifier, 0), reader.identifier)
    )


def removal_order(readers: Sequence[Instance]) -> list[Instance]:
    """Return the readers in the order in which scaling in removes them: highest tier first, then newest."""
    return sorted(
        readers, key=lambda reader: (reader.promotion_tier, reader.created_at, reader.identifier), reverse=True
    )
