"""A page image on its way to become the data directory of a copy of the cluster: taken where it can be spared, else copied."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from auroractl.core.backtrack import PageImage
from auroractl.core.errors import InvalidClusterState, MachineError
from auroractl.core.sizes import format_size
from auroractl.core.wal import SEGMENT_BYTES
from auroractl.services import image_damage
from auroractl.services.image_use import StoredCopies
from auroractl.storage.images import DamagedImage, ImageFolder, StoredImage, copy_data, shares_blocks

if TYPE_CHECKING:
    from auroractl.services.context import Context

_SPARE_BYTES = 16 * SEGMENT_BYTES
"""What has to stay free beyond a copy: its own log, and that of the cluster which goes on."""


class ImageCopy:
    """It may be begun while it is not certain yet that this is the image, and is to be closed in the end.

    Where another node has the same image, this one's is taken, which takes no time and no room; the image keeper replaces it at
    leisure. One that is taken is compared with its checksums before, one that is copied by `check`, while the copy is at work.
    """

    def __init__(self, context: Context, cluster: str, image: PageImage, target: Path) -> None:
        """Begin. Raises InvalidClusterState where the image is gone, MachineError where there is no room, OSError."""
        self.image = image
        self._context = context
        self._cluster = cluster
        self._target = target
        self._memory = context.volume_memory(cluster).backtrack
        self._given_up = Event()
        self._stored, self.taken = self._choose()
        self._in_use = True
        try:
            self._require_room()
        except BaseException:
            self._release()
            raise
        pool = ThreadPoolExecutor(1)
        self._work = pool.submit(self._verify if self.taken else self._copy)
        pool.shutdown(wait=False)

    def _choose(self) -> tuple[StoredImage, bool]:
        copies = StoredCopies(self._context, self._cluster, self.image.identifier)
        use = self._memory.use
        key = use.begin_take(copies.look)
        if key is not None:
            movable = False
            try:
                movable = self._can_be_moved(copies[key])
            finally:
                if not movable:
                    use.end_take(key)
            if movable:
                return copies[key], True
        key = use.begin_read(copies.look)
        if key is not None:
            return copies[key], False
        raise InvalidClusterState(f"The page image {self.image.identifier} is gone.", "Try again")

    def _can_be_moved(self, stored: StoredImage) -> bool:
        """Whether to take it is a matter of renaming, and worth it."""
        place = self._target.parent
        return stored.folder.stat().st_dev == place.stat().st_dev and not shares_blocks(stored, place)

    def _require_room(self) -> None:
        """Before anything is done: a disk that is filled to its end would harm the running cluster."""
        place = self._target.parent
        needed_bytes = _SPARE_BYTES
        if not self.taken and not shares_blocks(self._stored, place):
            needed_bytes += self.image.held_bytes
        free_bytes = shutil.disk_usage(place).free
        if free_bytes < needed_bytes:
            raise MachineError(
                f"There is not enough room for a copy of the cluster: {format_size(needed_bytes)} are needed and "
                f"{format_size(free_bytes)} are free on the disk of {place.parent}.",
                "Make room, then repeat the command",
            )

    def _go_on(self, _size_bytes: int) -> None:
        if self._given_up.is_set():
            raise InterruptedError

    def _copy(self) -> None:
        copy_data(self._stored.data, self._target, self._context.installation.account, self._go_on)

    def _verify(self) -> None:
        try:
            self._stored.verify_all(self._go_on)
        except DamagedImage as error:
            # One that was removed with its node is not damaged.
            if self._stored.folder.exists():
                image_damage.note(self._context, self._cluster, self._stored.image, error)
            raise

    def wait(self) -> None:
        """Wait until all of it is there. Raises DamagedImage where it is not what it was, OSError."""
        try:
            self._work.result()
        except OSError:
            self.check()  # says it better where it is the image that cannot be read
            raise
        if self.taken:
            ImageFolder(self._stored.image.node, self._stored.folder.parent).take(self.image.identifier, self._target)
            self._release()

    def check(self) -> None:
        """Compare what was copied from with its checksums; a damaged image is noted. Raises DamagedImage."""
        if not self.taken:
            self._verify()

    def close(self) -> None:
        """Let others have the image; what is not there yet is given up, and can be removed when this returns."""
        self._given_up.set()
        wait([self._work])
        self._release()

    def _release(self) -> None:
        if self._in_use:
            self._in_use = False
            end = self._memory.use.end_take if self.taken else self._memory.use.end_read
            end(self._stored.image.key)
