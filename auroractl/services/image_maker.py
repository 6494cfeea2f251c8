"""Making page images: the first one, one from an older one, and one in place of a damaged one."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from auroractl.core.backtrack import Checkpoint, PageImage
from auroractl.core.errors import MachineError
from auroractl.core.model import Address
from auroractl.core.sizes import format_size
from auroractl.core.storage import StorageNode
from auroractl.core.wal import SEGMENT_BYTES, Lineage
from auroractl.engine import configuration, recovery
from auroractl.engine.template import template_name
from auroractl.process.files import make_folder
from auroractl.process.ports import free_port
from auroractl.process.priority import most_niceness
from auroractl.services import image_damage, image_seed
from auroractl.services.image_use import StoredCopies
from auroractl.services.log_library import LogLibrary
from auroractl.storage.image_worker import ImageWorker
from auroractl.storage.images import DamagedImage, StoredImage

if TYPE_CHECKING:
    from auroractl.services.context import Context

log = logging.getLogger(__name__)

_MB = 1_000_000
_LOOK_S = 0.2
_PATIENCE_S = 4.0
"""After so long work gives way by one less."""
_NICENESS_LEAST = 5
_HOST = "127.0.0.1"
"""A server has to listen somewhere, although nobody connects to this one."""


def _at_once() -> bool:
    return True


def _giving_way(urgent: Callable[[], bool]) -> Callable[[], int]:
    """By how much work that begins now gives way: at first it gets what nobody else wants, later its share, if a small one.

    A machine on which others always want everything would never see the end of it otherwise.
    """
    began_s = time.monotonic()

    def niceness() -> int:
        grown = int((time.monotonic() - began_s) / _PATIENCE_S)
        return 0 if urgent() else max(_NICENESS_LEAST, most_niceness() - grown)

    return niceness


class NotNow(Exception):
    """What is made at leisure is given up, because others want the processors."""


class ImageMaker:
    """Makes the page images of one cluster, one at a time; `ended` gives up what is being made (InterruptedError)."""

    def __init__(self, context: Context, cluster: str, ended: Event) -> None:
        self._context = context
        self._cluster = cluster
        self._ended = ended
        self.made_bytes = 0

    def image_at(self, checkpoint: Checkpoint, node: StorageNode) -> PageImage:
        """What an image of a checkpoint on a node will be."""
        return PageImage(
            identifier=f"{checkpoint.timeline:08X}-{checkpoint.lsn:016X}",
            node=node.identifier,
            timeline=checkpoint.timeline,
            redo_lsn=checkpoint.redo_lsn,
            checkpoint_lsn=checkpoint.lsn,
            reached_at=self._context.now(),
        )

    def roll(
        self, node: StorageNode, source: StoredImage, image: PageImage, restore_command: str, urgent: Callable[[], bool]
    ) -> None:
        """Make an image from an older one, giving way to everybody until `urgent` says so.

        Raises DamagedImage where the older one is damaged, EngineError, OSError.
        """
        began_s = time.monotonic()
        folder = self._context.installation.image_folder(node)
        niceness = _giving_way(urgent)
        worker = self._worker(urgent, niceness)
        with self._context.images_lock:
            place = folder.begin(image.identifier)
            # What is made from a damaged one would be damaged too, with checksums that say nothing of it.
            self._copy(source.image, place / "data", worker)
            self._replay(place, image, restore_command, niceness)
            made = folder.complete(image, worker.checksums)
        self.made_bytes += made.image.held_bytes
        log.info(
            "%s: the page image %s was made from %s in %.1f s (%s)",
            node.identifier,
            image.identifier,
            source.image.identifier,
            time.monotonic() - began_s,
            format_size(made.image.held_bytes),
        )

    def mirror(
        self, node: StorageNode, source: StoredImage, urgent: Callable[[], bool], wanted: Callable[[], bool] | None
    ) -> None:
        """Make the same image on another node, as long as that is `wanted`; None if in any case, and without giving way.

        Raises NotNow, and as `roll`.
        """
        folder = self._context.installation.image_folder(node)
        worker = self._worker(urgent, _giving_way(urgent), wanted) if wanted else self._worker(urgent, lambda: 0)
        with self._context.images_lock:
            try:
                self._copy(source.image, folder.begin(source.image.identifier) / "data", worker)
                made = folder.complete(replace(source.image, node=node.identifier), worker.checksums)
            except NotNow:
                folder.remove(source.image.identifier)
                raise
        self.made_bytes += made.image.held_bytes
        log.info("%s: the page image %s was copied from %s", node.identifier, made.image.identifier, source.image.node)

    def _copy(self, image: PageImage, target: Path, worker: ImageWorker) -> None:
        """Copy one of the copies of an image that there are. Raises DamagedImage, MachineError where there is none, OSError."""
        copies = StoredCopies(self._context, self._cluster, image.identifier)
        use = self._context.volume_memory(self._cluster).backtrack.use
        key = use.begin_read(copies.look)
        if key is None:
            raise MachineError(f"The page image {image.identifier} is gone.", "")
        try:
            worker.copy(copies[key].folder, target, self._context.installation.account)
        except DamagedImage as error:
            image_damage.note(self._context, self._cluster, copies[key].image, error)
            raise
        finally:
            use.end_read(key)

    def _replay(self, place: Path, image: PageImage, restore_command: str, niceness: Callable[[], int]) -> None:
        installation = self._context.installation
        writer = self._context.writer(self._cluster)
        base = installation.parameters(writer, None, configuration.VolumeSettings(image_seed.NO_QUORUM))
        address = Address(_HOST, free_port(_HOST))
        server = installation.server_at(place, address)
        values = recovery.image_values(base, address.port, image.timeline, image.checkpoint_lsn, restore_command)
        configuration.write_configuration(server.data, values, standby=False, account=server.account)
        recovery.begin_recovery(server.data, server)
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
        rate_bytes_per_s = self._context.settings.backtrack_rate_mb_per_s * _MB
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

        return ImageWorker(pace, niceness)

    def seed(self, nodes: Sequence[StorageNode], library: LogLibrary, current: Lineage) -> None:
        """The first image: what the cluster was made from, on every full node; else a base backup on one."""
        eras = self._context.repository.eras(self._cluster)
        template = self._context.home.template(template_name(self._context.cluster(self._cluster).engine_version))
        if image_seed.fits(self._context, self._cluster, template, library, current):
            for node in nodes:
                made = image_seed.from_template(
                    self._context,
                    self._cluster,
                    template,
                    self._context.installation.image_folder(node),
                    eras[0].began_at,
                )
                log.info("%s: the first page image is %s", node.identifier, made.image.identifier)
            return
        self.seed_from_backup(nodes[0])

    def seed_from_backup(self, node: StorageNode) -> None:
        """An image that needs no older one and no older log."""
        log.info("%s: a page image is made from a base backup", node.identifier)
        with self._context.images_lock:
            place, checkpoint = image_seed.base_backup(
                self._context, self._cluster, self._context.installation.image_folder(node)
            )
            image = self.image_at(checkpoint, node)
            log_folder = self._context.installation.log_folder(node).path
            self._replay(place, image, recovery.node_restore_command(log_folder), lambda: 0)
            final = place.with_name(f"{image.identifier}.making")
            place.rename(final)
            self._context.installation.image_folder(node).complete(image)

    def remake(
        self,
        node: StorageNode,
        damaged: StoredImage,
        healthy: Sequence[StoredImage],
        library: LogLibrary,
        lineages: dict[int, Lineage],
    ) -> str:
        """Replace a damaged image; returns how. Raises DamagedImage where what it is made from is damaged too."""
        folder = self._context.installation.image_folder(node)
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
            return "there is no older one that it could be made from again, and it was given up"
        source = max(older, key=lambda other: other.image.checkpoint_lsn)
        laid = folder.path / f"{image.identifier}.log.making"
        make_folder(laid, owner=self._context.installation.account)
        first, last = (lsn // SEGMENT_BYTES for lsn in (source.image.redo_lsn, image.checkpoint_lsn + 8192))
        held = [number for number in library.segments(lineage) if first <= number <= last]
        library.lay(lineage.until(image.checkpoint_lsn), held, laid, whole=lineage)
        self.roll(node, source, image, recovery.link_command(laid), _at_once)
        shutil.rmtree(laid)
        return f"it was made again from {source.image.identifier}"
