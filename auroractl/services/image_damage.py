"""Damage of page images: noted once, told of, and kept from being used until it is healed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from auroractl.core.backtrack import PageImage
from auroractl.services import events

if TYPE_CHECKING:
    from auroractl.services.context import Context
    from auroractl.storage.images import DamagedImage

log = logging.getLogger(__name__)


def note(context: Context, cluster: str, image: PageImage, error: DamagedImage) -> None:
    """Have nobody use an image any more until it is healed, and tell of it."""
    suspects = context.volume_memory(cluster).backtrack.suspects
    if image.key not in suspects:
        suspects.add(image.key)
        events.record(context, cluster, events.DAMAGE, image.node, error.message)


def is_suspect(context: Context, cluster: str, image: PageImage) -> bool:
    """Whether an image is known to be damaged."""
    return image.key in context.volume_memory(cluster).backtrack.suspects
