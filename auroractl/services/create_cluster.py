"""create-cluster: from a name to a cluster that has really taken a commit and answered a read."""

from __future__ import annotations

import time
from dataclasses import dataclass

from auroractl.core import identifiers
from auroractl.core.addresses import AddressPlan
from auroractl.core.errors import ClusterAlreadyExists, EngineError, MachineError, TimedOut
from auroractl.core.model import Address, Cluster, Endpoint, EndpointType, Instance, Phase, Wanted
from auroractl.core.operations import OperationKind, OperationRecord
from auroractl.engine import sql
from auroractl.engine.control_file import new_system_identifier, set_system_identifier
from auroractl.engine.secrets import generate_password
from auroractl.engine.server import end_all_below
from auroractl.process.files import copy_tree, make_folder, read_json, remove_tree, write_json
from auroractl.services import events, operations, placement, storage_nodes
from auroractl.services.concurrency import side_by_side
from auroractl.services.context import Context
from auroractl.services.operations import Plan, Progress, Step, new_record

_VERIFY_TIMEOUT_S = 30.0
_POLL_S = 0.005


@dataclass(frozen=True, slots=True)
class CreateClusterRequest:
    """What is asked for; None means the default."""

    cluster: str
    readers: int = 2
    engine_version: str | None = None
    database_name: str | None = None
    master_username: str | None = None
    master_user_password: str | None = None
    port: int | None = None
    region: str | None = None
    backtrack_window_s: int | None = None
    deletion_protection: bool = False
    tags: dict[str, str] | None = None
    retain: bool = False


def _reserve(context: Context, request: CreateClusterRequest) -> OperationRecord:
    """Check the request against Aurora's rules, then write the rows that reserve names and addresses.

    Nothing is changed where it raises: InvalidParameterValue, ClusterAlreadyExists, MachineError.
    """
    name = identifiers.identifier("DBClusterIdentifier", request.cluster)
    readers = identifiers.readers(request.readers)
    password = request.master_user_password
    if password is not None:
        identifiers.master_password(password)
    if request.port is not None:
        identifiers.port(request.port)
    window_s = request.backtrack_window_s
    username = identifiers.master_username(request.master_username or identifiers.MASTER_USERNAME_DEFAULT)
    database = identifiers.database_name(request.database_name or identifiers.DATABASE_NAME_DEFAULT)
    region = identifiers.region(request.region or context.settings.region)
    window_s = identifiers.backtrack_window(identifiers.BACKTRACK_WINDOW_DEFAULT_S if window_s is None else window_s)
    tags = identifiers.tags(request.tags or {})
    if context.repository.cluster(name) is not None:
        raise ClusterAlreadyExists(name)
    installed = context.installation.binaries.version
    version = identifiers.engine_version(request.engine_version or installed, installed)
    plan = placement.find_addresses(context, request.port)
    cluster = Cluster(
        identifier=name,
        resource_id=f"cluster-{generate_password(26).upper()}",
        engine_version=version,
        region=region,
        port=plan.port,
        address_block=plan.block,
        database_name=database,
        master_username=username,
        backtrack_window_s=window_s,
        deletion_protection=request.deletion_protection,
        tags=tags,
        created_at=context.now(),
        phase=Phase.CREATING,
    )
    taken = {instance.identifier for instance in context.repository.instances()}
    instances = placement.new_instances(
        context, cluster, [], readers + 1, plan=plan, with_writer=True, taken_names=taken
    )
    record = new_record(context, OperationKind.CREATE_CLUSTER, name, {"Retain": request.retain})
    context.forget(name)
    context.repository.create_cluster(cluster, instances, _endpoints(cluster, plan), record)
    try:
        _keep_password(context, name, password or generate_password())
    except MachineError as error:
        operations.abandon(context, record, error.message)
        raise
    return record


def create_cluster(context: Context, request: CreateClusterRequest, progress: Progress) -> str:
    """Create a cluster and return its identifier.

    Raises what checking the request raises (nothing is changed then), or the error of the step that failed (all is
    undone then, unless `retain` is set).
    """
    name = identifiers.identifier("DBClusterIdentifier", request.cluster)
    operations.perform(
        context,
        OperationKind.CREATE_CLUSTER,
        name,
        prepare=lambda: _reserve(context, request),
        progress=progress,
    )
    return name


def _keep_password(context: Context, name: str, password: str) -> None:
    paths = context.home.cluster(name)
    make_folder(context.home.run)
    make_folder(context.home.clusters, mode=0o755)
    make_folder(paths.folder, mode=0o755)
    write_json(paths.secrets, {"master": password})


def _endpoints(cluster: Cluster, plan: AddressPlan) -> list[Endpoint]:
    return [
        Endpoint(f"{cluster.identifier}-{type_.value.lower()}", cluster.identifier, type_, plan.endpoint(type_))
        for type_ in (EndpointType.WRITER, EndpointType.READER)
    ]


def master_password(context: Context, cluster: str) -> str:
    """The master user's password. Raises MachineError where its file is gone."""
    path = context.home.cluster(cluster).secrets
    document = read_json(path)
    if document is None:
        raise MachineError(f"The password of DBCluster {cluster} is gone: {path} does not exist.", "")
    return str(document["master"])


def _plan(context: Context, record: OperationRecord) -> Plan:
    """The steps of create-cluster."""
    making = _Making(context, record.cluster)
    steps = [
        Step("Prepare PostgreSQL", making.prepare, undo=making.remove),
        Step("Start the endpoints", making.start_endpoint_process, undo=making.stop_endpoint_process),
        Step("Copy the data and start the instances", making.copy_and_start, undo=making.stop_instances),
        Step("Wait for the writer and start the storage nodes", making.wait_for_writer),
        Step("Commit through the writer endpoint", making.commit),
        Step("Read through the reader endpoint and every instance", making.read),
        Step("Mark the cluster available", making.available),
    ]
    return Plan(steps, point_of_no_return="Mark the cluster available")


class _Making:
    def __init__(self, context: Context, name: str) -> None:
        self._context = context
        self._name = name
        self._paths = context.home.cluster(name)
        self._installation = context.installation

    def _instances(self) -> list[Instance]:
        return self._context.repository.instances(self._name)

    def prepare(self) -> None:
        self._installation.template()
        storage_nodes.make_volume(self._context, self._name)
        make_folder(self._paths.instances, mode=0o755)
        for instance in self._instances():
            self._installation.make_instance_folder(instance)

    def remove(self) -> None:
        """Everything that the reservation and the steps made; the rows last, so that a cut-off undo is repeated."""
        end_all_below(self._paths.folder)
        remove_tree(self._paths.folder)
        self._context.forget(self._name)
        self._context.repository.delete_cluster(self._name)

    def start_endpoint_process(self) -> None:
        self._context.endpoint_process(self._name).begin_start()

    def stop_endpoint_process(self) -> None:
        self._context.endpoint_process(self._name).stop()

    def copy_and_start(self) -> None:
        """The writer first: it gets ready while the readers are copied, and they find it when they start.

        Copies of one stopped template are copies of each other, so readers need nothing of the writer's.
        """
        writer, *readers = self._instances()
        identifier = new_system_identifier()
        self._copy_and_start(writer, identifier, None)
        side_by_side(self._copy_and_start, [(reader, identifier, writer.address) for reader in readers])

    def _copy_and_start(self, instance: Instance, identifier: int, follow: Address | None) -> None:
        server = self._installation.server(instance)
        copy_tree(self._installation.template_path, server.data)
        set_system_identifier(server.data, identifier)
        self._context.configure(instance, follow)
        server.begin_start()

    def wait_for_writer(self) -> None:
        self._wait_for(self._context.writer(self._name))
        storage_nodes.start_nodes(self._context, self._name)
        process = self._context.endpoint_process(self._name)
        process.wait_ready(process.begin_start())
        self._context.publish_routes(self._name)

    def _wait_for(self, instance: Instance) -> None:
        server = self._installation.server(instance)
        server.start(self._context.settings.start_timeout_s)
        seen = self._context.observer.refresh(instance)
        if not seen.accepting:
            raise EngineError(f"{instance.identifier} does not answer: {seen.detail}", f"Its log is {server.log}")

    def stop_instances(self) -> None:
        storage_nodes.take_away(self._context, self._name)
        for instance in self._instances():
            self._installation.server(instance).abort()

    def commit(self) -> None:
        cluster = self._context.cluster(self._name)
        password = master_password(self._context, self._name)
        with sql.session(self._endpoint(EndpointType.WRITER), self._installation.secrets.admin) as connection:
            sql.create_master(connection, cluster.master_username, password, cluster.database_name)

    def read(self) -> None:
        readers = [instance for instance in self._instances() if not instance.is_writer]
        side_by_side(self._wait_for, [(reader,) for reader in readers])
        self._context.publish_routes(self._name)
        addresses = [self._endpoint(EndpointType.READER), *(instance.address for instance in self._instances())]
        side_by_side(self._read_as_master, [(address,) for address in addresses])
        nodes = self._context.repository.storage_nodes(self._name)
        storage_nodes.wait_streaming(self._context, self._name, [node.identifier for node in nodes])

    def _read_as_master(self, address: Address) -> None:
        """Connecting proves that the master user, and with it the first commit, has arrived there."""
        cluster = self._context.cluster(self._name)
        password = master_password(self._context, self._name)
        deadline = time.monotonic() + _VERIFY_TIMEOUT_S
        while True:
            try:
                with sql.session(
                    address, password, user=cluster.master_username, database=cluster.database_name
                ) as connection:
                    connection.execute("SELECT 1")
                    return
            except EngineError as error:
                if time.monotonic() > deadline:
                    raise TimedOut(f"A read at {address} did not work: {error.message}", "") from error
            time.sleep(_POLL_S)

    def _endpoint(self, type_: EndpointType) -> Address:
        endpoints = self._context.repository.endpoints(self._name)
        return next(endpoint.address for endpoint in endpoints if endpoint.type is type_)

    def available(self) -> None:
        for instance in self._instances():
            self._context.repository.update_instance(instance.identifier, phase=Phase.NONE)
        self._context.repository.update_cluster(self._name, phase=Phase.NONE, wanted=Wanted.RUNNING)
        self._context.repository.begin_era(self._name, 1, self._context.now())
        events.record(self._context, self._name, events.CLUSTER_CREATED, self._name, "DB cluster created")


operations.PLANNERS[OperationKind.CREATE_CLUSTER] = _plan
