"""Transfer of a recovery image into a recovered copy: a spare copy is moved, the only copy is copied."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from threading import Event

from auroractl.core.errors import InvalidClusterState, MachineError
from auroractl.core.restore.retention import RecoveryImage
from auroractl.core.text.sizes import format_size
from auroractl.core.wal.segments import SEGMENT_BYTES
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images import suspect_images
from auroractl.services.recovery_images.stored_copies import StoredCopies
from auroractl.storage.images import DamagedImage, ImageFolder, StoredImage, copy_data, shares_blocks
from auroractl.system.files import exists
from auroractl.system.waiting import SLICE_S, wait_until

_COPY_TIMEOUT_S = 6 * 3600.0
_SPARE_BYTES = 16 * SEGMENT_BYTES
"""The space to keep free beside a copy, for its own WAL and that of the running cluster."""


class ImageCopy:
    """A transfer that may begin before the image is certain. It must be closed in the end.

    If another node has the same image, this one is moved, which needs no time and no space. The image keeper later
    replaces it. A moved image is verified before it is moved, a copied one by `check`, while the copy is in use.
    """

    def __init__(self, cluster: ManagedCluster, image: RecoveryImage, target: Path) -> None:
        """Begin the transfer. Raises InvalidClusterState if the image is gone, MachineError without enough space, OSError."""
        self.image = image
        self._cluster = cluster
        self._target = target
        self._memory = cluster.memory.volume.backtrack
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
        copies = StoredCopies(self._cluster, self.image.identifier)
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
        raise InvalidClusterState(f"The recovery image {self.image.identifier} is gone.", "Try again")

    def _can_be_moved(self, stored: StoredImage) -> bool:
        """Return whether the image can be moved by renaming, and is not cheaper to copy."""
        place = self._target.parent
        return stored.folder.stat().st_dev == place.stat().st_dev and not shares_blocks(stored, place)

    def _require_room(self) -> None:
        """Check the free space first, because a full disk would harm the running cluster."""
        place = self._target.parent
        needed_bytes = _SPARE_BYTES
        if not self.taken and not shares_blocks(self._stored, place):
            needed_bytes += self.image.held_bytes
        free_bytes = shutil.disk_usage(place).free
        if free_bytes < needed_bytes:
            raise MachineError(
                f"There is not enough space for a copy of the cluster: {format_size(needed_bytes)} are needed, but "
                f"{format_size(free_bytes)} are free on the disk of {place.parent}.",
                "Free some space, then repeat the command",
            )

    def _check_abandoned(self, _size_bytes: int) -> None:
        if self._given_up.is_set():
            raise InterruptedError

    def _copy(self) -> None:
        copy_data(self._stored.data, self._target, self._check_abandoned)

    def _verify(self) -> None:
        try:
            self._stored.verify_all(self._check_abandoned)
        except DamagedImage as error:
            # An image that was removed with its node is not damaged.
            if exists(self._stored.folder):
                suspect_images.note(self._cluster, self._stored.image, error)
            raise

    def wait(self) -> None:
        """Wait until the transfer is complete. Raises DamagedImage if verification fails, OSError."""
        try:
            self._wait_done()
            self._work.result()
        except OSError:
            self.check()  # gives a better error if the image is unreadable
            raise
        if self.taken:
            ImageFolder(self._stored.image.node, self._stored.folder.parent).take(self.image.identifier, self._target)
            self._release()

    def _wait_done(self) -> None:
        def unfinished() -> str:
            done = wait([self._work], SLICE_S).done
            return "" if done else f"the disk of {self._target.parent} is still busy"

        wait_until("the recovery image was not copied", unfinished, _COPY_TIMEOUT_S, poll_s=0)

    def check(self) -> None:
        """Verify the source of a copy. Raises DamagedImage, after marking the image as damaged."""
        if not self.taken:
            self._verify()

    def close(self) -> None:
        """End the lease of the image. An unfinished transfer is abandoned, and its files can be removed afterwards."""
        self._given_up.set()
        wait([self._work])
        self._release()

    def _release(self) -> None:
        if self._in_use:
            self._in_use = False
            end = self._memory.use.end_take if self.taken else self._memory.use.end_read
            end(self._stored.image.key)
