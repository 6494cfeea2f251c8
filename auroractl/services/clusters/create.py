"""create-cluster: create a cluster, and verify it by a commit and a read."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import psycopg

from auroractl.api.requests.clusters import CreateCluster
from auroractl.core import identifiers
from auroractl.core.address import Address
from auroractl.core.addresses import AddressPlan
from auroractl.core.engine.locales import choose_locale
from auroractl.core.errors import ClusterAlreadyExists, EngineError, MachineError
from auroractl.core.model import Cluster, Endpoint, EndpointType, Instance, Phase, Wanted
from auroractl.core.operation_kinds import OperationKind
from auroractl.core.operations import OperationRecord
from auroractl.engine import sql
from auroractl.engine.control_file import new_system_identifier, set_system_identifier
from auroractl.engine.secrets import generate_password
from auroractl.engine.server import end_all_below
from auroractl.engine.server_log import said
from auroractl.runtime import events
from auroractl.runtime.endpoint_process import RoutingOverride
from auroractl.runtime.installation import Engine
from auroractl.runtime.managed_cluster import ManagedCluster
from auroractl.runtime.parallel import run_all, side_by_side
from auroractl.runtime.runtime import Runtime
from auroractl.services.clusters import attachment
from auroractl.services.clusters.data_source import TEMPLATE, SourceName, data_source
from auroractl.services.instances import address_allocation, durability, iam
from auroractl.services.instances.master_password import keep_master_password, master_password
from auroractl.services.operations import runner
from auroractl.services.operations.runner import Plan, Step, new_record
from auroractl.services.parameters import apply, groups
from auroractl.services.volume import storage_nodes
from auroractl.system.boot import boot_id
from auroractl.system.file_credentials import as_self
from auroractl.system.files import remove_tree
from auroractl.system.locales import system_locales
from auroractl.system.waiting import wait_until

_VERIFY_TIMEOUT_S = 30.0
_POLL_S = 0.005


def _reserve(cluster: ManagedCluster, request: CreateCluster, source: SourceName) -> OperationRecord:
    """Check the request against Aurora's rules, then write the rows that reserve names and addresses.

    Raises InvalidParameterValue, ClusterAlreadyExists or MachineError before anything is changed.
    """
    name, readers, password = cluster.name, identifiers.readers(request.readers), request.master_user_password
    if password is not None:
        identifiers.master_password(password)
    if request.port is not None:
        identifiers.port(request.port)
    if request.iam_authentication:
        iam.require_possible(cluster)
    username = identifiers.master_username(request.master_username or identifiers.MASTER_USERNAME_DEFAULT)
    database = identifiers.database_name(request.database_name or identifiers.DATABASE_NAME_DEFAULT)
    region = identifiers.region(request.region or cluster.settings.region)
    window_s = identifiers.backtrack_window(_window_s(request))
    if cluster.repository.cluster(name) is not None:
        raise ClusterAlreadyExists(name)
    build = cluster.installation.builds.choose(request.engine_version)
    cluster.installation.require_sockets(name, build.version.major)
    locale = choose_locale(request.locale, request.locale_provider, build, system_locales())
    engine = Engine(build.identifier, locale)
    group, chosen = groups.take(cluster.runtime, request.parameter_group, str(build.version), engine)
    with cluster.runtime.addresses_lock:
        plan = address_allocation.find_addresses(cluster.runtime, request.port)
        row = Cluster(
            identifier=name,
            resource_id=f"cluster-{generate_password(26).upper()}",
            engine_version=str(build.version),
            engine_build=build.identifier,
            locale=locale,
            region=region,
            port=plan.port,
            address_block=plan.block,
            database_name=database,
            master_username=username,
            backtrack_window_s=window_s,
            deletion_protection=request.deletion_protection,
            iam_authentication=request.iam_authentication,
            tags=identifiers.tags(request.tags or {}),
            created_at=cluster.now(),
            phase=Phase.CREATING,
            parameter_group=group,
            standby_floor=apply.floor(cluster.runtime, engine, chosen),
            **_durability(cluster, request),
        )
        taken = {instance.identifier for instance in cluster.repository.instances()}
        instances = address_allocation.new_instances(
            cluster, row, [], 1 if request.no_instances else readers + 1, plan=plan, with_writer=True, taken_names=taken
        )
        arguments = {"Retain": request.retain, "NoInstances": request.no_instances, "Source": dict(source)}
        record = new_record(cluster, OperationKind.CREATE_CLUSTER, arguments)
        cluster.forget()
        cluster.repository.create_cluster(row, instances, _endpoints(row, plan), record)
    try:
        keep_master_password(cluster, password or generate_password())
    except MachineError as error:
        runner.abandon(cluster, record, error.message)
        raise
    return record


def _window_s(request: CreateCluster) -> int:
    wanted_s = request.backtrack_window_s
    return identifiers.BACKTRACK_WINDOW_DEFAULT_S if wanted_s is None else wanted_s


def _durability(cluster: ManagedCluster, request: CreateCluster) -> dict[str, Any]:
    wanted = identifiers.durability(request.durability or cluster.settings.durability)
    # The files that the instances begin with are copied without being flushed.
    return {"durability": wanted, "unflushed_boot": "" if wanted.copies_flush else boot_id()}


def create_cluster(runtime: Runtime, request: CreateCluster, source: SourceName = TEMPLATE) -> str:
    """Create a cluster with the data of a source and return its identifier.

    The master user and the database are created unless the data has them. The user always gets the requested password.

    Raises the error of an invalid request, before anything is changed, or the error of the step that failed. The creation
    is then undone unless `retain` is set.
    """
    cluster = ManagedCluster(runtime, identifiers.identifier("DBClusterIdentifier", request.cluster))
    runner.perform(
        cluster,
        OperationKind.CREATE_CLUSTER,
        prepare=lambda: _reserve(cluster, request, source),
    )
    return cluster.name


def _endpoints(cluster: Cluster, plan: AddressPlan) -> list[Endpoint]:
    return [
        Endpoint(f"{cluster.identifier}-{type_.value.lower()}", cluster.identifier, type_, plan.endpoint(type_))
        for type_ in (EndpointType.WRITER, EndpointType.READER)
    ]


def _plan(cluster: ManagedCluster, record: OperationRecord) -> Plan:
    """The steps of create-cluster."""
    creation = _Creation(cluster, record)
    steps = [
        Step("Prepare PostgreSQL", creation.prepare, undo=creation.remove),
        Step("Start the endpoints", creation.start_endpoint_process, undo=creation.stop_endpoint_process),
        Step("Copy the data and start the instances", creation.copy_and_start, undo=creation.stop_instances),
        Step("Wait for the writer and start the storage nodes", creation.wait_for_writer),
        Step("Commit through the writer endpoint", creation.commit),
        Step("Read through the reader endpoint and every instance", creation.read),
        *([Step("Keep the data with the volume", creation.keep)] if record.arguments.get("NoInstances") else []),
        Step("Mark the cluster available", creation.available),
    ]
    return Plan(steps, point_of_no_return="Mark the cluster available")


class _Creation:
    def __init__(self, cluster: ManagedCluster, record: OperationRecord) -> None:
        self._cluster = cluster
        # A record from before there were several sources names none.
        self._source = data_source(cluster, record.arguments.get("Source", TEMPLATE))
        self._paths = cluster.paths
        self._installation = cluster.installation

    def _instances(self) -> list[Instance]:
        return self._cluster.instances()

    def prepare(self) -> None:
        self._source.prepare()
        storage_nodes.make_volume(self._cluster)
        for instance in self._instances():
            self._installation.make_instance_folder(instance)

    def remove(self) -> None:
        """Remove everything that was created; the rows last, so that an interrupted undo is repeated."""
        end_all_below(self._paths.folder)
        with as_self():
            remove_tree(self._paths.folder)
            remove_tree(self._cluster.runtime.home.cluster_sockets(self._cluster.name))
        self._source.release()
        self._cluster.forget()
        self._cluster.repository.delete_cluster(self._cluster.name)

    def start_endpoint_process(self) -> None:
        self._cluster.endpoint_process().begin_start()

    def stop_endpoint_process(self) -> None:
        self._cluster.endpoint_process().stop()

    def copy_and_start(self) -> None:
        """Start the writer first, so that it gets ready while the readers are copied.

        A source gives every instance the same data, so that readers need no data of the writer.
        """
        writer, *readers = self._instances()
        identifier = new_system_identifier()
        self._copy(writer, identifier)
        run_all(
            partial(self._start, writer, None),
            *(partial(self._copy_and_start, reader, identifier, writer) for reader in readers),
            # The first one takes 60 ms, most of it to load a library; copying takes longer.
            partial(self._cluster.certificate, self._cluster.snapshot()),
        )

    def _copy_and_start(self, instance: Instance, identifier: int, follow: Instance) -> None:
        self._copy(instance, identifier)
        self._start(instance, follow)

    def _copy(self, instance: Instance, identifier: int) -> None:
        data = self._installation.server(instance).data
        self._source.stage(data)
        set_system_identifier(data, identifier)

    def _start(self, instance: Instance, follow: Instance | None) -> None:
        self._cluster.configure(instance, follow)
        self._installation.server(instance).begin_start()

    def wait_for_writer(self) -> None:
        self._wait_for(self._cluster.writer())
        storage_nodes.start_nodes(self._cluster)
        process = self._cluster.endpoint_process()
        process.wait_ready(process.begin_start())
        self._cluster.publish_routes()

    def _wait_for(self, instance: Instance) -> None:
        server = self._installation.server(instance)
        server.start(self._cluster.settings.start_timeout_s)
        seen = self._cluster.observer.refresh(instance)
        if not seen.accepting:
            raise EngineError(
                f"{instance.identifier} does not answer ({seen.detail}){said(server.log)}", f"Its log is {server.log}"
            )

    def stop_instances(self) -> None:
        storage_nodes.fence_nodes(self._cluster)
        for instance in self._instances():
            self._installation.server(instance).abort()

    def commit(self) -> None:
        row = self._cluster.row()
        password = master_password(self._cluster)
        # The first commit waits for the first write quorum.
        with storage_nodes.committing_session(self._cluster) as connection:
            sql.create_master(connection, row.master_username, password, row.database_name)
            with self._client(self._endpoint(EndpointType.WRITER)) as client:
                client.execute("SELECT pg_catalog.pg_current_xact_id()")

    def _client(self, address: Address) -> AbstractContextManager[psycopg.Connection]:
        row = self._cluster.row()
        password = master_password(self._cluster)
        encrypted = self._cluster.tls_required()
        return sql.client_session(address, row.master_username, password, row.database_name, encrypted=encrypted)

    def read(self) -> None:
        # The writer has flushed since its start. What it was begun with is flushed while the readers get ready.
        run_all(self._read, partial(durability.make_new_durable, self._cluster))

    def _read(self) -> None:
        readers = [instance for instance in self._instances() if not instance.is_writer]
        side_by_side(self._wait_for, [(reader,) for reader in readers])
        self._cluster.publish_routes()
        addresses = [self._endpoint(EndpointType.READER), *(instance.address for instance in self._instances())]
        side_by_side(self._read_as_master, [(address,) for address in addresses])
        nodes = self._cluster.storage_nodes()
        storage_nodes.wait_streaming(self._cluster, [node.identifier for node in nodes])

    def _read_as_master(self, address: Address) -> None:
        """Read as the master user, whose existence proves that the first commit has arrived."""

        def unread() -> str:
            try:
                with self._client(address) as connection:
                    connection.execute("SELECT 1")
            except EngineError as error:
                return error.message
            return ""

        wait_until(f"a read at {address} did not work", unread, _VERIFY_TIMEOUT_S, _POLL_S)

    def _endpoint(self, type_: EndpointType) -> Address:
        endpoints = self._cluster.endpoints()
        return next(endpoint.address for endpoint in endpoints if endpoint.type is type_)

    def keep(self) -> None:
        """For a cluster that is to have no instance: the first one takes over what this one has made."""
        self._cluster.route(RoutingOverride(without=[each.identifier for each in self._instances()]))
        for instance in self._instances():
            attachment.stop_and_keep(self._cluster, instance)
            attachment.forget_instance(self._cluster, instance)
        attachment.end_writing(self._cluster)
        self._cluster.route(None)

    def available(self) -> None:
        for instance in self._instances():
            self._cluster.repository.update_instance(instance.identifier, phase=Phase.NONE)
        self._cluster.repository.update_cluster(self._cluster.name, phase=Phase.NONE, wanted=Wanted.RUNNING)
        self._cluster.repository.begin_era(self._cluster.name, self._source.history().timeline, self._cluster.now())
        self._source.release()
        events.record(self._cluster, events.CLUSTER_CREATED, self._cluster.name, "DB cluster created")


runner.PLANNERS[OperationKind.CREATE_CLUSTER] = _plan
