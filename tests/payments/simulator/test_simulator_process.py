"""The process keeps its word through kills, and goes when it is told to."""

import json
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest

from .conftest import MakeSimulator
from .running import Simulator, command, free_port, run_to_its_end, unique, until


def charge_until_it_dies(simulator: Simulator) -> list[str]:
    """Send charges one after the other and return the keys that were answered."""
    answered: list[str] = []
    try:
        while True:
            key = unique()
            assert simulator.authorise(key=key).status_code == 201
            answered.append(key)
    except httpx2.TransportError:
        return answered


def two_seconds_pass(simulator: Simulator) -> None:
    """Make a stopped simulator believe that it slept for two seconds."""
    with sqlite3.connect(simulator.ledger) as connection:
        connection.execute("UPDATE authorizations SET due_at = due_at - 2000")
    connection.close()


def refuse_to_remember(simulator: Simulator, *, key: str) -> None:
    """Make the last write of the operation with this key fail."""
    with sqlite3.connect(simulator.ledger) as connection:
        connection.execute(
            f"CREATE TRIGGER doom BEFORE INSERT ON operations WHEN NEW.key = '{key}'"
            " BEGIN SELECT RAISE(ABORT, 'doomed'); END"
        )
    connection.close()


class TestKill:
    def test_loses_no_charge_it_has_answered(self, a_simulator: MakeSimulator) -> None:
        simulator = a_simulator()
        with ThreadPoolExecutor(4) as pool:
            clients = [pool.submit(charge_until_it_dies, simulator) for _ in range(4)]
            until(lambda: len(simulator.get("/v1/ledger")["entries"]) >= 50)
            simulator.kill()
            answered = {key for client in clients for key in client.result()}
        simulator.start()

        kept = {entry["key"] for entry in simulator.get("/v1/ledger", limit=1_000)["entries"]}

        assert len(answered) >= 40
        assert answered <= kept

    def test_keeps_answers_and_state(self, a_simulator: MakeSimulator) -> None:
        simulator, key = a_simulator(), unique()
        first = simulator.authorise(key=key, reference="r")
        simulator.capture(first.json()["id"], 400)
        simulator.kill()
        simulator.start()

        again = simulator.authorise(key=key, reference="r")

        assert again.content == first.content
        assert again.headers["Idempotency-Replayed"] == "true"
        assert simulator.authorization(first.json()["id"])["captured"] == 400
        assert simulator.capture(first.json()["id"], 601).status_code == 409

    def test_remembers_what_has_gone_wrong_the_first_time(self, a_simulator: MakeSimulator) -> None:
        simulator = a_simulator()
        before, after, silent = unique(), unique(), unique()
        assert simulator.authorise(token="tok_error_before_charge", key=before).status_code == 500
        assert simulator.authorise(token="tok_error_after_charge", key=after, reference="r").status_code == 500
        with pytest.raises(httpx2.ReadTimeout):
            simulator.authorise(token="tok_timeout_after_charge", key=silent, reference="r", timeout=0.3)
        simulator.kill()
        simulator.start()

        assert simulator.authorise(token="tok_error_before_charge", key=before).status_code == 201
        for token, key in (("tok_error_after_charge", after), ("tok_timeout_after_charge", silent)):
            answer = simulator.authorise(token=token, key=key, reference="r", timeout=1)
            assert (answer.status_code, answer.headers["Idempotency-Replayed"]) == (201, "true")

    def test_approves_what_fell_due_meanwhile(self, a_simulator: MakeSimulator) -> None:
        simulator = a_simulator()
        authorization_id = simulator.an_authorization(token="tok_requires_action")
        simulator.kill()
        two_seconds_pass(simulator)
        simulator.start()

        assert simulator.authorization(authorization_id)["status"] == "authorized"


class TestBrokenLedger:
    def test_writes_all_of_an_operation_or_nothing(self, a_simulator: MakeSimulator) -> None:
        simulator = a_simulator()
        refuse_to_remember(simulator, key="doomed")

        answer = simulator.authorise(key="doomed", reference="order-19")

        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "Traceback" not in answer.text
        assert simulator.entries("order-19") == []
        assert simulator.get("/v1/ledger/summary")["authorizations"] == []
        assert simulator.authorise(key="spared", reference="order-19").status_code == 201


class TestStop:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_is_done_within_a_second_while_clients_wait(
        self, a_simulator: MakeSimulator, number: signal.Signals
    ) -> None:
        simulator, keys = a_simulator(), [unique() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            waiting = [
                pool.submit(simulator.authorise, token=token, key=key)
                for key, token in zip(keys, ["tok_slow", "tok_timeout_after_charge"] * 4, strict=True)
            ]
            until(lambda: all(simulator.operation(key).status_code == 200 for key in keys))
            started = time.monotonic()
            status, said = simulator.stop(number=number)
            took = time.monotonic() - started
            answers = [future.result() for future in waiting]

        assert (status, said) == (0, "")
        assert took < 1
        assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(503, "shutting_down")}


class TestStart:
    def test_refuses_a_port_in_use(self, simulator: Simulator, tmp_path: Path) -> None:
        second = run_to_its_end(command(port=simulator.port, ledger=tmp_path / "ledger.db"))

        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith(f"psp-simulator: cannot listen on 127.0.0.1:{simulator.port}")

    def test_refuses_a_ledger_in_use(self, simulator: Simulator) -> None:
        second = run_to_its_end(command(port=free_port(), ledger=simulator.ledger))

        assert (second.returncode, second.stdout) == (1, "")
        assert "another simulator has the ledger" in second.stderr

    def test_refuses_what_is_not_a_ledger(self, tmp_path: Path) -> None:
        letter = tmp_path / "letter"
        letter.write_bytes(b"This is a letter and not a ledger. " * 100)

        started = run_to_its_end(command(port=free_port(), ledger=letter))

        assert started.returncode == 1
        assert started.stderr.startswith("psp-simulator: cannot open the ledger")
        assert "Traceback" not in started.stderr

    @pytest.mark.parametrize(
        "arguments", [["--webhook-url", "http://x/"], ["--webhook-url", "x", "--webhook-secret", "s"]]
    )
    def test_refuses_arguments_that_make_no_sense(self, tmp_path: Path, arguments: list[str]) -> None:
        started = run_to_its_end(command(*arguments, port=free_port(), ledger=tmp_path / "ledger.db"))

        assert started.returncode == 2
        assert "--webhook-url" in started.stderr


class TestLog:
    def test_has_one_line_per_operation_when_asked_for(self, a_simulator: MakeSimulator) -> None:
        simulator, key = a_simulator("--verbose"), unique()
        for _ in range(2):
            authorization_id = simulator.an_authorization(key=key, reference="r", amount=700)
        simulator.capture(authorization_id, 300)
        asked = {"amount": 700, "currency": "EUR", "token": "tok_approved", "reference": "r"}
        simulator.post("/v1/authorizations", asked, headers={"X-Correlation-ID": "c-1", "traceparent": "00-1-2-01"})

        lines = [json.loads(line) for line in simulator.stop()[1].splitlines()]

        written = {"currency": "EUR", "amount": 700, "refunded": 0}
        assert lines == [
            {"operation": "authorise", "status": 201, "captured": 0} | written,
            {"operation": "capture", "status": 201, "captured": 300} | written,
            {
                "operation": "authorise",
                "status": 201,
                "captured": 0,
                "correlation_id": "c-1",
                "traceparent": "00-1-2-01",
            }
            | written,
        ]


class TestLedgerFile:
    def test_cannot_be_rewritten(self, simulator: Simulator) -> None:
        simulator.capture(simulator.an_authorization(), 1)
        connection = sqlite3.connect(simulator.ledger)

        for statement in ("UPDATE entries SET amount = 1", "DELETE FROM entries"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
            connection.execute("UPDATE authorizations SET captured = amount + 1")
        connection.close()
