"""Creation of recovery images: the first one, a newer one from an older one, and replacements of damaged ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event

from auroractl.core.address import Address
from auroractl.core.errors import MachineError
from auroractl.core.restore.retention import Checkpoint, RecoveryImage
from auroractl.core.text.sizes import format_size
from auroractl.core.volume.model import StorageNode
from auroractl.core.wal.segments import SEGMENT_BYTES, Lineage
from auroractl.engine import configuration, recovery
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.services.recovery_images import seed, suspect_images
from auroractl.services.recovery_images.stored_copies import StoredCopies
from auroractl.services.volume.wal_library import WalLibrary
from auroractl.storage.image_worker import ImageWorker
from auroractl.storage.images import DamagedImage, StoredImage
from auroractl.system.files import make_folder, remove_tree
from auroractl.system.ports import free_port
from auroractl.system.priority import most_niceness

log = logging.getLogger(__name__)

_MB = 1_000_000
_LOOK_S = 0.2
_PATIENCE_S = 4.0
"""The time after which the niceness of work decreases by one."""
_NICENESS_LEAST = 5
_HOST = "127.0.0.1"
"""A server must listen on an address, even if it has no clients."""


def _at_once() -> bool:
    return True


def _giving_way(urgent: Callable[[], bool]) -> Callable[[], int]:
    """Return the niceness of work over time: at first it uses only idle processors, later a small share.

    Otherwise, the work would never end on a machine that is always busy.
    """
    began_s = time.monotonic()

    def niceness() -> int:
        grown = int((time.monotonic() - began_s) / _PATIENCE_S)
        return 0 if urgent() else max(_NICENESS_LEAST, most_niceness() - grown)

    return niceness


class NotNow(Exception):
    """Work that is not urgent stops, because the processors are needed."""


class ImageMaker:
    """Makes the recovery images of one cluster, one at a time; setting `ended` interrupts it (InterruptedError)."""

    def __init__(self, cluster: ManagedCluster, ended: Event) -> None:
        self._cluster = cluster
        self._ended = ended
        self.made_bytes = 0

    def image_at(self, checkpoint: Checkpoint, node: StorageNode) -> RecoveryImage:
        """Describe the image of a checkpoint on a node before it is made."""
        return RecoveryImage(
            identifier=f"{checkpoint.timeline:08X}-{checkpoint.lsn:016X}",
            node=node.identifier,
            timeline=checkpoint.timeline,
            redo_lsn=checkpoint.redo_lsn,
            checkpoint_lsn=checkpoint.lsn,
            reached_at=self._cluster.now(),
        )

    def roll(
        self,
        node: StorageNode,
        source: StoredImage,
        image: RecoveryImage,
        restore_command: str,
        urgent: Callable[[], bool],
    ) -> None:
        """Make an image from an older one, at low priority unless it is `urgent`.

        Raises DamagedImage if the older one is damaged, EngineError, OSError.
        """
        began_s = time.monotonic()
        folder = self._cluster.installation.image_folder(node)
        niceness = _giving_way(urgent)
        worker = self._worker(urgent, niceness)
        with self._cluster.runtime.images_lock:
            place = folder.begin(image.identifier)
            # An image made from a damaged one would be damaged too, but its checksums would not show it.
            self._copy(source.image, place / "data", worker)
            self._replay(place, image, restore_command, niceness)
            made = folder.complete(image, worker.checksums)
        self.made_bytes += made.image.held_bytes
        log.info(
            "%s: the recovery image %s was made from %s in %.1f s (%s)",
            node.identifier,
            image.identifier,
            source.image.identifier,
            time.monotonic() - began_s,
            format_size(made.image.held_bytes),
        )

    def mirror(
        self, node: StorageNode, source: StoredImage, urgent: Callable[[], bool], wanted: Callable[[], bool] | None
    ) -> None:
        """Copy an image to another node while `wanted` returns True; None means at any rate and at normal priority.

        Raises NotNow, and as `roll`.
        """
        folder = self._cluster.installation.image_folder(node)
        worker = self._worker(urgent, _giving_way(urgent), wanted) if wanted else self._worker(urgent, lambda: 0)
        with self._cluster.runtime.images_lock:
            try:
                self._copy(source.image, folder.begin(source.image.identifier) / "data", worker)
                made = folder.complete(replace(source.image, node=node.identifier), worker.checksums)
            except NotNow:
                folder.remove(source.image.identifier)
                raise
        self.made_bytes += made.image.held_bytes
        log.info(
            "%s: the recovery image %s was copied from %s", node.identifier, made.image.identifier, source.image.node
        )

    def _copy(self, image: RecoveryImage, target: Path, worker: ImageWorker) -> None:
        """Copy an image from any node. Raises DamagedImage, MachineError if no node has it, OSError."""
        copies = StoredCopies(self._cluster, image.identifier)
        use = self._cluster.memory.volume.backtrack.use
        key = use.begin_read(copies.look)
        if key is None:
            raise MachineError(f"The recovery image {image.identifier} is gone.", "")
        try:
            worker.copy(copies[key].folder, target)
        except DamagedImage as error:
            suspect_images.note(self._cluster, copies[key].image, error)
            raise
        finally:
            use.end_read(key)

    def _replay(self, place: Path, image: RecoveryImage, restore_command: str, niceness: Callable[[], int]) -> None:
        installation = self._cluster.installation
        writer = self._cluster.writer()
        base = self._cluster.parameters(writer, configuration.VolumeSettings(seed.NO_QUORUM))
        address = Address(_HOST, free_port(_HOST))
        server = installation.server_at(place, address)
        least = self._cluster.standby_least(server)
        values = recovery.image_values(base, least, address.port, image.timeline, image.checkpoint_lsn, restore_command)
        configuration.write_configuration(server.data, values, standby=False, sockets=False)
        recovery.begin_recovery(server.data)
        recovery.run_to_shutdown(
            server,
            image.timeline,
            image.checkpoint_lsn,
            interrupted=self._ended.is_set,
            niceness=niceness,
        )

    def _worker(
        self, urgent: Callable[[], bool], niceness: Callable[[], int], wanted: Callable[[], bool] = lambda: True
    ) -> ImageWorker:
        rate_bytes_per_s = self._cluster.settings.backtrack_rate_mb_per_s * _MB
        began_s, done = time.monotonic(), 0

        def ahead_s() -> float:
            return done / rate_bytes_per_s - (time.monotonic() - began_s)

        def pace(size_bytes: int) -> None:
            nonlocal done
            done += size_bytes
            wait_s = 0.0
            while not self._ended.wait(wait_s):
                if not wanted():
                    raise NotNow
                if (wait_s := min(ahead_s(), _LOOK_S)) <= 0 or urgent():
                    return
            raise InterruptedError

        return ImageWorker(self._cluster.installation.account, pace, niceness)

    def make_first(self, nodes: Sequence[StorageNode], library: WalLibrary, current: Lineage) -> None:
        """Make the first image: from the cluster's template on every full node, or from a base backup on one node."""
        eras = self._cluster.eras()
        template = self._cluster.installation.template_path(self._cluster.name)
        if seed.fits(self._cluster, template, library, current):
            for node in nodes:
                made = seed.from_template(
                    self._cluster,
                    template,
                    self._cluster.installation.image_folder(node),
                    eras[0].began_at,
                )
                log.info("%s: the first recovery image is %s", node.identifier, made.image.identifier)
            return
        self.seed_from_backup(nodes[0])

    def seed_from_backup(self, node: StorageNode) -> None:
        """Make an image from a base backup, without an older image or older WAL."""
        log.info("%s: a recovery image is made from a base backup", node.identifier)
        with self._cluster.runtime.images_lock:
            place, checkpoint = seed.base_backup(self._cluster, self._cluster.installation.image_folder(node))
            image = self.image_at(checkpoint, node)
            log_folder = self._cluster.installation.log_folder(node).path
            self._replay(place, image, recovery.node_restore_command(log_folder), lambda: 0)
            final = place.with_name(f"{image.identifier}.making")
            place.rename(final)
            self._cluster.installation.image_folder(node).complete(image)

    def remake(
        self,
        node: StorageNode,
        damaged: StoredImage,
        healthy: Sequence[StoredImage],
        library: WalLibrary,
        lineages: dict[int, Lineage],
    ) -> str:
        """Replace a damaged image and return how. Raises DamagedImage if its source is damaged too."""
        folder = self._cluster.installation.image_folder(node)
        image = damaged.image
        peer = next((other for other in healthy if other.image.identifier == image.identifier), None)
        if peer is not None:
            place = folder.begin(image.identifier)
            worker = self._worker(_at_once, lambda: 0)
            self._copy(peer.image, place / "data", worker)
            folder.complete(image, worker.checksums)
            return f"it was copied from {peer.image.node}"
        lineage = next((each for each in lineages.values() if image.serves(each, image.checkpoint_lsn)), None)
        older = [other for other in healthy if lineage and other.image.serves(lineage, image.checkpoint_lsn)]
        if lineage is None or not older:
            folder.remove(image.identifier)
            return "it was removed, because there is no older image to make it from"
        source = max(older, key=lambda other: other.image.checkpoint_lsn)
        laid = folder.path / f"{image.identifier}.log.making"
        make_folder(laid)
        first, last = (lsn // SEGMENT_BYTES for lsn in (source.image.redo_lsn, image.checkpoint_lsn + 8192))
        held = [number for number in library.segments(lineage) if first <= number <= last]
        library.stage(lineage.until(image.checkpoint_lsn), held, laid, whole=lineage)
        self.roll(node, source, image, recovery.link_command(laid), _at_once)
        remove_tree(laid)
        return f"it was made again from {source.image.identifier}"
