"""Migration of homes made by earlier versions: the databases' account gets full ownership of its folders."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from auroractl.config.paths import ClusterPaths, Home
from auroractl.core.errors import MachineError
from auroractl.system.account import Account
from auroractl.system.files import make_folder_of


def give_cluster_folders(home: Home, account: Account | None) -> None:
    """Give the account the files that root once made in its folders; do nothing if there are none.

    Call it while this process still accesses files as root. Raises MachineError if a folder cannot be given.
    """
    if account is None or not home.clusters.is_dir():
        return
    for folder in sorted(home.clusters.iterdir()):
        if stat.S_ISDIR(folder.lstat().st_mode):
            _give_cluster(home.cluster(folder.name), account)


def _give_cluster(paths: ClusterPaths, account: Account) -> None:
    if paths.instances.is_dir() and paths.instances.lstat().st_uid == account.uid:
        return
    make_folder_of(paths.moments, account)
    for folder in (paths.storage, paths.moments, paths.instances):
        try:
            _give_contents(folder, account)
        except OSError as error:
            raise MachineError(f"{folder} cannot be given to {account.name}: {error}", "") from error
    # The last folder marks the completion of all.
    if paths.storage.exists():
        make_folder_of(paths.storage, account)
    make_folder_of(paths.instances, account)


def _give_contents(top: Path, account: Account) -> None:
    for _, folders, files, descriptor in os.fwalk(top):
        for name in (*folders, *files):
            _give(name, descriptor, account)


def _give(name: str, folder: int, account: Account) -> None:
    """Give a file or folder of root's to the account; skip hard-linked files, links and devices."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError:
        return  # a link, or gone
    try:
        found = os.fstat(descriptor)
        single = stat.S_ISDIR(found.st_mode) or (stat.S_ISREG(found.st_mode) and found.st_nlink == 1)
        if found.st_uid == 0 and single:
            os.fchown(descriptor, account.uid, account.gid)
    finally:
        os.close(descriptor)
