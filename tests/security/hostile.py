"""The master user as an enemy: how it acts, and what must hold of the cluster whatever it did."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from auroractl.config.paths import Home
from tests.functional.command import Auroractl, wait_until
from tests.functional.conftest import home_of_its_own
from tests.functional.going_back import wait_window
from tests.functional.ledger import Ledger
from tests.security.conftest import eventually
from tests.security.hostile_acts import FIRST, INTERNAL, OF_AURORA, POWERFUL, Act, Site
from tests.security.hostile_settings import OPTIONS

_UNTIL_DONE_S = 4.0
_CONNECTIONS = 150
"""More than the servers of these tests allow."""
_VARIABLES = {"AURORACTL_CONNECTIONS_MAX": "60"}
_SIGNAL_ALL = """\
do $do$
declare
  until timestamptz := clock_timestamp() + interval '{seconds} s';
  each record;
begin
  while clock_timestamp() < until loop
    perform pg_stat_clear_snapshot();
    for each in select pid from pg_stat_activity where pid <> pg_backend_pid() and usename is distinct from session_user loop
      begin
        perform {function}(each.pid);
      exception when others then null;
      end;
    end loop;
    perform pg_sleep(0.01);
  end loop;
end
$do$"""


class Master:
    """The master user of the cluster demo, with sessions that do not meet its own settings."""

    def __init__(self, auroractl: Auroractl) -> None:
        self.auroractl = auroractl
        self._uri = auroractl.uri("demo")
        self._kept: psycopg.Connection | None = None

    def connect(self, database: str = FIRST, **more: Any) -> psycopg.Connection:
        """An autocommit session through the writer endpoint."""
        return psycopg.connect(self._uri, dbname=database, options=OPTIONS, autocommit=True, connect_timeout=30, **more)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """The rows of a query, asked in a session that is kept for as long as it can be."""
        for last in (False, True):
            try:
                if self._kept is None:
                    self._kept = self.connect()
                return self._kept.execute(statement.encode()).fetchall()
            except psycopg.Error:
                self.close()
                if last:
                    raise
        raise AssertionError

    def close(self) -> None:
        """Give the kept session up."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def run(self, *statements: str, database: str = FIRST) -> psycopg.Error | None:
        """Run statements, each for itself; the error of the last, if it had one."""
        error: psycopg.Error | None = None
        try:
            with self.connect(database) as connection:
                for statement in statements:
                    error = None
                    try:
                        connection.execute(statement.encode())
                    except psycopg.Error as found:
                        error = found
        except psycopg.Error as found:
            return found
        return error

    def until_done(self, statement: str) -> None:
        """Try a statement for some seconds, and end every session that may be ended and is in its way."""
        deadline = time.monotonic() + _UNTIL_DONE_S
        while self.run(_SIGNAL_ALL.format(function="pg_terminate_backend", seconds=0.05), statement) is not None:
            if time.monotonic() > deadline:
                return

    def signal_all(self, function: str, seconds: float) -> None:
        """Send a signal to every process that it may send one to, again and again."""
        self.run(_SIGNAL_ALL.format(function=function, seconds=seconds))

    def take_all_connections(self) -> None:
        """Keep every connection of the writer for some seconds, past the endpoint."""
        there = self.auroractl.writer("demo")["Endpoint"]
        with contextlib.ExitStack() as kept:
            for _ in range(_CONNECTIONS):
                try:
                    connection = self.connect(host=there["Address"], port=there["Port"])
                except psycopg.Error:
                    break
                kept.callback(connection.close)
            time.sleep(3)


class Arena:
    """A cluster for one group of acts, what it was like before them, and what is wrong with it since."""

    def __init__(self, auroractl: Auroractl, marks: Path) -> None:
        self.auroractl, self.marks = auroractl, marks
        auroractl("create-cluster", "demo", "--readers", "1", "--database-name", FIRST)
        self.master = Master(auroractl)
        self.master.run("create table public.kept (id int)", "insert into public.kept values (1)")
        wait_window(auroractl)
        self._members = self._memberships()
        self.problems: list[str] = []
        self._lost = False

    def _memberships(self) -> set[tuple[Any, ...]]:
        """Who is what by whose grant, as far as internal roles are concerned."""
        return set(
            self.master.rows(
                "select m.rolname, r.rolname, g.rolname, admin_option, inherit_option, set_option from pg_auth_members a"
                " join pg_roles r on r.oid = a.roleid join pg_roles m on m.oid = a.member"
                " join pg_roles g on g.oid = a.grantor where m.rolname ~ '^(rds|postgres$)' and r.rolname ~ '^(rds|pg_)'"
            )
        )

    def site(self) -> Site:
        """Where the acts take place."""
        there = self.auroractl.writer("demo")["Endpoint"]
        ((folders,),) = self.master.rows("show unix_socket_directories")
        sockets = [folder.strip().strip('"') for folder in folders.split(",") if folder.strip()]
        return Site(self.marks, (there["Address"], there["Port"]), sockets)

    def attempt(self, acts: list[Act]) -> None:
        """Try acts one after the other; after each the master user must still be what it was."""
        for act in acts:
            with self._reachable(f"after {act.name!r}"):
                self._attempt(act)
            if self._lost:
                return
        self._note("the acts together", eventually(self._emptied))

    def _attempt(self, act: Act) -> None:
        if act.program is not None:
            act.program(self.master)
        else:
            error = self.master.run(*act.statements, database=act.database)
            if act.refused and error is None:
                self.problems.append(f"{act.name!r} was not refused")
        self._note(act.name, self._out_of_bounds())

    @contextlib.contextmanager
    def _reachable(self, when: str) -> Iterator[None]:
        """Note that the master user cannot connect any more; nothing else can be found out then."""
        try:
            yield
        except psycopg.Error as error:
            self._lost = True
            self.problems.append(f"{when} the master user cannot connect or be answered: {error}")

    def _note(self, when: str, problem: str | None) -> None:
        if problem is not None:
            self.problems.append(f"{when}: {problem}")

    def _out_of_bounds(self) -> str | None:
        """What the master user has got that it must not have."""
        if said := self._said():
            return f"it has run code as somebody else: {said}"
        powers = ", ".join(f"'{name}'" for name in POWERFUL[:3])
        got = self.master.rows(
            "select rolname::text from pg_roles where (rolsuper or rolreplication or rolbypassrls)"
            " and rolname !~ '^(pg_|rdsadmin$|rdsrepladmin$)'"
            " union select rolname || ' of ' || session_user from pg_roles"
            f" where (rolsuper or rolreplication or rolname in ({powers})) and pg_has_role(session_user, oid, 'member')"
        )
        return f"it has got {[row[0] for row in got]}" if got else None

    def _said(self) -> list[str]:
        """What the witness has said since the last look."""
        said = set()
        for mark in self.marks.iterdir():
            said.update(mark.read_text().splitlines())
            mark.unlink()
        return sorted(said)

    def _emptied(self) -> str | None:
        """Which internal role is not what it was."""
        names = {row[0] for row in self.master.rows("select rolname from pg_roles")}
        if missing := {*INTERNAL, *OF_AURORA} - names:
            return f"{sorted(missing)} are gone"
        ((whole,),) = self.master.rows(
            "select bool_and(rolcanlogin and rolconnlimit = -1) from pg_roles where rolname in ('rdsadmin', 'rdsrepladmin')"
        )
        if not whole:
            return "an internal user cannot log in"
        if lost := self._members - self._memberships():
            return f"lost memberships: {sorted(lost)}"
        return None

    def operate(self) -> None:
        """Everything that has to go on, with the acts' effects there: in the present, and in the past."""
        if not self._lost:
            with self._reachable("while the cluster was operated"):
                self._operate()

    def _operate(self) -> None:
        master = self.master
        self._note("after the acts", eventually(self._ill))
        ((then,),) = master.rows("select clock_timestamp()::text")
        held = master.rows("select count(*) from pg_db_role_setting")
        master.run("insert into public.kept values (2)")
        self._command("failover", "demo")
        self._restart_supervisor()
        self._command("scale-readers", "demo", "--add", "1")
        self._command("scale-readers", "demo", "--remove", "1")
        self._command("status", "demo")
        said = self._command("backtrack", "demo", "--to", then, "--dry-run", "--output", "text")
        if any(ord(each) < 32 and each not in "\t\n" for each in said):
            self.problems.append(f"control characters were printed: {said!r}")
        self._command("peek", "demo", "--at", then, "--", "-c", "select * from public.kept", PGOPTIONS=OPTIONS)
        master.run(
            "alter database postgres reset all", f"alter database {FIRST} reset all", "alter role postgres reset all"
        )
        self._command("backtrack", "demo", "--to", then, "--yes")
        self._note("at the end", eventually(self._ill))
        if master.rows("select id from public.kept") != [(1,)]:
            self.problems.append("the backtrack did not go back")
        if master.rows("select count(*) from pg_db_role_setting") != held:
            self.problems.append("the past that it is in has not the settings that it had")

    def _command(self, *arguments: str, **more: Any) -> str:
        done = self.auroractl.run(*arguments, timeout_s=90, **more)
        if done.returncode != 0:
            self.problems.append(
                f"{' '.join(arguments[:2])} ended with {done.returncode}: {done.stderr.strip()[-400:]}"
            )
        self._note(f"after {arguments[0]}", self._out_of_bounds())
        return done.stdout + done.stderr

    def _restart_supervisor(self) -> None:
        """As after a crash of it."""
        self.auroractl.kill_supervisor()
        self.auroractl("supervisor", "start")
        self._note("after a restart of the supervisor", eventually(self._ill))

    def _ill(self) -> str | None:
        """What is wrong with the cluster as people see it."""
        view = self.auroractl.cluster("demo")
        if view["Health"] != "ok" or view["Status"] != "available":
            return f"{view['Status']}, {view['Health']}: {view['Problems']}"
        with self.master.connect() as connection:
            connection.execute("create temporary table can_write (id int)")
        return None


@contextlib.contextmanager
def arena(warm_home: Home) -> Iterator[Arena]:
    """A cluster for one group of acts."""
    marks = Path(tempfile.mkdtemp(prefix="auroractl-marks-"))
    marks.chmod(0o777)
    try:
        with home_of_its_own(warm_home, **_VARIABLES) as command:
            found = Arena(command, marks)
            with contextlib.closing(found.master):
                yield found
    finally:
        shutil.rmtree(marks)


def _senders(arena: Arena) -> set[tuple[str, int]]:
    """Who is sent the log, and by which process."""
    return set(
        arena.master.rows("select application_name::text, pid from pg_stat_replication where state = 'streaming'")
    )


@dataclass(frozen=True)
class Signalled:
    """What became of the cluster while every process was signalled that the master may signal."""

    senders_ended: set[tuple[str, int]]
    longest_gap_s: float
    commits: int
    commits_lost: set[tuple[int, int]]


def signalled(arena: Arena, seconds: float) -> Signalled:
    """Signal every process that the master may signal, for some seconds, while a client commits."""
    with Ledger(arena.auroractl.uri("demo"), clients=1) as ledger:
        wait_until("commits", lambda: ledger.count() > 5)
        before, began_s = _senders(arena), time.monotonic()
        assert len(before) == 7, before
        arena.master.signal_all("pg_terminate_backend", seconds)
        ended, gap_s = before - _senders(arena), ledger.longest_gap_s(began_s, time.monotonic())
    return Signalled(ended, gap_s, ledger.count(), ledger.missing())


def dial_back(arena: Arena, conninfo: str) -> str:
    """What a server says to its own master user, who has it connect to itself with dblink; empty where that worked."""
    quoted = "'" + conninfo.replace("'", "''") + "'"
    error = arena.master.run(f"select n from public.dblink({quoted}, 'select 1') as (n int)")
    return "" if error is None else f"{error}\n{error.diag.message_detail or ''}"
