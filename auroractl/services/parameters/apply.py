"""Changes of the parameters that clusters have: tried first, then written, applied and read back, or undone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress

from auroractl.core.errors import AuroraError
from auroractl.core.model import Instance, RunningOperation, Wanted
from auroractl.core.parameters import standby
from auroractl.core.parameters.model import ApplyType, Catalog, GroupKind, ParameterGroup, family_of
from auroractl.engine import server_parameters
from auroractl.runtime import admitted_senders, events
from auroractl.runtime.installation import Engine
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parameters import chosen_settings
from auroractl.runtime.runtime import Runtime
from auroractl.services.parameters import pending, trial
from auroractl.services.parameters.catalog import catalog, engine_for

log = logging.getLogger(__name__)

_MODIFY = "modify-parameter-group"
Settings = Mapping[str, str]
SettingsOf = Callable[[ManagedCluster, Instance | None], Settings]
"""The settings that an instance of a cluster is to have, or one without a DB parameter group."""


def change_group(runtime: Runtime, group: ParameterGroup, settings: Settings) -> ParameterGroup:
    """Change the settings of a group and apply them to all clusters that use it.

    Raises InvalidParameterValue if a server does not start with them, EngineError if one refuses them, and
    InvalidClusterState if a cluster is busy; nothing is changed then.
    """
    clusters = _clusters_of(runtime, group)

    def settings_of(cluster: ManagedCluster, instance: Instance | None) -> Settings:
        return _merged(cluster, instance, {(group.kind, group.name): settings})

    with ExitStack() as held:
        for cluster in clusters:
            operation = RunningOperation("", _MODIFY, cluster.now())
            held.enter_context(cluster.locks.operation(cluster.name, operation))
        if clusters:
            expected = try_settings(clusters, settings_of)
        else:
            trial.tried(runtime, engine_for(runtime, group.family), settings)
            expected = {}
        before = {cluster.name: cluster.chosen_parameters() for cluster in clusters}
        runtime.repository.change_parameter_group(group, settings)
        _apply_or_undo(
            clusters,
            before,
            settings_of,
            expected,
            catalog(runtime, group.family),
            lambda: runtime.repository.change_parameter_group(group, group.settings),
        )
    return group


def change_user(cluster: ManagedCluster, kind: GroupKind, user: str, before: str, after: str) -> None:
    """Let a cluster, or one of its instances, use another group. The caller holds the cluster.

    `before` and `after` are stored names. Raises as `change_group`.
    """

    def settings_of(cluster: ManagedCluster, instance: Instance | None) -> Settings:
        taken = chosen_settings(cluster.repository, kind, after)
        if kind is GroupKind.CLUSTER:
            return {**taken, **(_of_instance(cluster, instance) if instance else {})}
        own = taken if instance and instance.identifier == user else _of_instance(cluster, instance)
        return {**cluster.chosen_parameters(), **own}

    expected = try_settings([cluster], settings_of)
    replaced = {cluster.name: cluster.chosen_parameters()}
    cluster.repository.set_parameter_group(kind, user, after)
    known = catalog(cluster.runtime, family_of(cluster.row().engine_version))

    def undo() -> None:
        cluster.repository.set_parameter_group(kind, user, before)

    _apply_or_undo([cluster], replaced, settings_of, expected, known, undo)


def _of_instance(cluster: ManagedCluster, instance: Instance | None) -> Settings:
    return chosen_settings(cluster.repository, GroupKind.INSTANCE, instance.parameter_group) if instance else {}


def _clusters_of(runtime: Runtime, group: ParameterGroup) -> list[ManagedCluster]:
    users = runtime.repository.parameter_group_users(group.kind, group.name)
    names = users if group.kind is GroupKind.CLUSTER else [runtime.instance(each).cluster for each in users]
    return [ManagedCluster(runtime, name) for name in sorted(set(names))]


def _merged(
    cluster: ManagedCluster, instance: Instance | None, instead: Mapping[tuple[GroupKind, str], Settings]
) -> Settings:
    """Return the settings of an instance with those of some groups replaced."""

    def of(kind: GroupKind, name: str) -> Settings:
        replaced = instead.get((kind, name))
        return chosen_settings(cluster.repository, kind, name) if replaced is None else replaced

    own = of(GroupKind.INSTANCE, instance.parameter_group) if instance else {}
    return {**of(GroupKind.CLUSTER, cluster.row().parameter_group), **own}


Key = tuple[Engine, tuple[tuple[str, str], ...]]
Expected = Mapping[Key, Settings]
"""By engine and settings: the values that a server has with them, in its own units."""


def _key(cluster: ManagedCluster, settings: Settings) -> Key:
    return cluster.installation.engine_of(cluster.name), tuple(sorted(settings.items()))


def try_settings(clusters: Iterable[ManagedCluster], settings_of: SettingsOf) -> Expected:
    """Try all different settings that the instances of clusters would have. Raises InvalidParameterValue."""
    expected: dict[Key, Settings] = {}
    for cluster in clusters:
        for instance in (None, *cluster.instances()):
            settings = settings_of(cluster, instance)
            key = _key(cluster, settings)
            if key not in expected:
                expected[key] = trial.tried(cluster.runtime, key[0], settings)
    return expected


def _apply_or_undo(
    clusters: list[ManagedCluster],
    before: Mapping[str, Settings],
    settings_of: SettingsOf,
    expected: Expected,
    known: Catalog,
    undo: Callable[[], None],
) -> None:
    """Apply what is now in the rows. If a server refuses it, undo the rows and apply those."""
    try:
        for cluster in clusters:
            _raise_floor(cluster, before[cluster.name], settings_of(cluster, None))
        for cluster in clusters:
            values = {
                each.identifier: _dynamic(expected[_key(cluster, settings_of(cluster, each))], known)
                for each in cluster.instances()
            }
            _apply(cluster, values)
            events.record(cluster, events.PARAMETERS, cluster.name, "Finished updating DB parameter group")
    except AuroraError:
        undo()
        for cluster in clusters:
            with suppress(AuroraError):
                _apply(cluster, {})
        raise


def floor(runtime: Runtime, engine: Engine, *each: Settings) -> dict[str, int]:
    """Return the highest values of what standbys need enough of; none if no settings name one of them."""
    if not any(standby.values_of(settings) for settings in each):
        return {}
    return standby.highest(
        *(standby.values_of(trial.own_configuration(runtime, engine, settings)) for settings in each)
    )


def _raise_floor(cluster: ManagedCluster, before: Settings, after: Settings) -> None:
    engine = cluster.installation.engine_of(cluster.name)
    cluster.repository.raise_standby_floor(cluster.name, floor(cluster.runtime, engine, before, after))


def _dynamic(values: Settings, known: Catalog) -> Settings:
    """Return the values that take effect without a restart."""
    definitions = known.definitions
    return {
        name: value
        for name, value in values.items()
        if name in definitions and definitions[name].apply_type is ApplyType.DYNAMIC
    }


def _apply(cluster: ManagedCluster, expected: Mapping[str, Settings]) -> None:
    """Write the configuration of all running instances and reload it; a stopped one gets it at its start."""
    if cluster.row().wanted is not Wanted.RUNNING:
        return
    for instance in cluster.instances():
        server = cluster.installation.server(instance)
        if not server.has_data() or server.pid() is None:
            continue
        cluster.configure(instance, None if instance.is_writer else cluster.writer())
        if not cluster.observer.refresh(instance).accepting:
            # It reads its configuration when it can.
            admitted_senders.reload(cluster.installation, instance)
            pending.forget(cluster, instance)
            log.warning("%s does not answer, so its new parameters are not read back", instance.identifier)
            continue
        server_parameters.reload(cluster.installation.access(instance), expected.get(instance.identifier, {}))
        pending.note(cluster, instance)
    cluster.publish_routes()
