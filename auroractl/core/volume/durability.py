"""Which copies of a cluster are flushed to disk, and which one a power cut leaves to be trusted."""

from __future__ import annotations

from enum import StrEnum


class Durability(StrEnum):
    """What a cluster flushes to disk."""

    MACHINE = "machine"
    """The writer. Storage nodes and readers hand what they receive to the kernel, which the end of a process cannot undo."""
    EVERYWHERE = "everywhere"
    """The writer, the storage nodes and the readers."""
    NONE = "none"
    """Nothing: a power cut may cost the cluster."""

    @property
    def writer_flushes(self) -> bool:
        """Return whether the writer flushes."""
        return self is not Durability.NONE

    @property
    def copies_flush(self) -> bool:
        """Return whether storage nodes and readers flush."""
        return self is Durability.EVERYWHERE
