"""Start, ask, kill and listen to a simulator."""

import hashlib
import hmac
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import httpx2

SECRET = "a-secret-of-the-test"
WEBHOOK_SECRET = "another-secret-of-the-test"
ROOT = Path(__file__).resolve().parents[3]

Found = TypeVar("Found")


def until(condition: Callable[[], Found], *, within: float = 5.0) -> Found:
    """Poll until the condition holds and return what it found, or fail."""
    deadline = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < deadline, "the deadline has passed"
        time.sleep(0.01)
    return found


def unique(prefix: str = "key") -> str:
    """Return a text no other test uses."""
    return f"{prefix}-{uuid.uuid4().hex}"


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def command(*arguments: str, port: int, ledger: Path) -> list[str]:
    """Return the command line of a simulator."""
    where = ["--host", "127.0.0.1", "--port", str(port), "--ledger", str(ledger)]
    return [sys.executable, "-m", "contexts.payments.simulator", *where, "--secret", SECRET, *arguments]


def run_to_its_end(command: list[str]) -> "subprocess.CompletedProcess[str]":
    """Run a simulator that is not expected to stay."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10)


@dataclass(kw_only=True)
class Simulator:
    """One simulator process and a client for it."""

    ledger: Path
    port: int = field(default_factory=free_port)
    arguments: tuple[str, ...] = ()
    process: "subprocess.Popen[bytes]" = field(init=False)

    def __post_init__(self) -> None:
        """Prepare the client and start."""
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {SECRET}"},
            trust_env=False,
            timeout=10,
            limits=httpx2.Limits(max_keepalive_connections=0),
        )
        self.start()

    def start(self) -> None:
        """Start the process and wait until it answers."""
        self.process = subprocess.Popen(
            command(*self.arguments, port=self.port, ledger=self.ledger),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        until(self.is_healthy, within=10)

    def is_healthy(self) -> bool:
        """Tell whether the process answers."""
        assert self.process.poll() is None, self.process.communicate()[0]
        try:
            return self.client.get("/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    def kill(self) -> None:
        """Kill the process as a power cut would."""
        self.process.kill()
        self.process.communicate()

    def stop(self, *, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Stop the process politely and return its exit status and all it has said."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        said = self.process.communicate(timeout=10)[0]
        return self.process.returncode, said.decode()

    def post(
        self,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        timeout: float = 10,
        headers: Mapping[str, str] | None = None,
    ) -> httpx2.Response:
        """Send an operation under a key of its own or the given one."""
        sent = {"Idempotency-Key": key or unique(), **(headers or {})}
        return self.client.post(path, json=body or {}, headers=sent, timeout=timeout)

    def authorise(
        self,
        *,
        token: str = "tok_approved",
        amount: int = 1_000,
        key: str | None = None,
        reference: str | None = None,
        currency: str = "EUR",
        timeout: float = 10,
    ) -> httpx2.Response:
        """Ask for an authorization."""
        body = {
            "amount": amount,
            "currency": currency,
            "token": token,
            "reference": reference or unique("order"),
        }
        return self.post("/v1/authorizations", body, key=key, timeout=timeout)

    def an_authorization(self, **wishes: Any) -> str:
        """Return the id of a new authorization."""
        answer = self.authorise(**wishes)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def capture(self, authorization_id: str, amount: int, *, key: str | None = None) -> httpx2.Response:
        """Capture some of an authorization."""
        return self.post(f"/v1/authorizations/{authorization_id}/captures", {"amount": amount}, key=key)

    def refund(self, authorization_id: str, amount: int, *, capture_id: str | None = None) -> httpx2.Response:
        """Refund some of what was captured."""
        body = {"amount": amount} | ({"capture_id": capture_id} if capture_id else {})
        return self.post(f"/v1/authorizations/{authorization_id}/refunds", body)

    def void(self, authorization_id: str, *, key: str | None = None) -> httpx2.Response:
        """Void an authorization."""
        return self.post(f"/v1/authorizations/{authorization_id}/void", key=key)

    def authorization(self, authorization_id: str) -> dict[str, Any]:
        """Return an authorization as it stands."""
        return self.get(f"/v1/authorizations/{authorization_id}")

    def operation(self, key: str) -> httpx2.Response:
        """Ask what came of a key."""
        return self.client.get(f"/v1/operations/{key}")

    def entries(self, reference: str) -> list[dict[str, Any]]:
        """Return the ledger entries of one reference."""
        found = self.get("/v1/ledger", reference=reference)["entries"]
        return list(found)

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Return what is at a path."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    @contextmanager
    def fault(self, kind: str, **wishes: int) -> Iterator[None]:
        """Script a fault and clear it afterwards."""
        answer = self.client.post("/_control/faults", json={"kind": kind, **wishes})
        assert answer.status_code == 201, answer.text
        try:
            yield
        finally:
            self.client.delete("/_control/faults")


@dataclass(frozen=True, kw_only=True)
class Received:
    """One webhook as it came in."""

    at: float
    signature: str
    body: bytes
    event: dict[str, Any]

    @property
    def is_signed(self) -> bool:
        """Check the signature as a client is told to."""
        fields = dict(part.split("=", 1) for part in self.signature.split(","))
        signed = fields["t"].encode() + b"." + self.body
        expected = hmac.new(WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
        return hmac.compare_digest(expected, fields["v1"]) and abs(int(fields["t"]) - time.time()) < 60


class Receiver:
    """Listen for webhooks; refuse as many of a reference as a test asks for."""

    def __init__(self, *, port: int = 0) -> None:
        self._received: list[Received] = []
        self.refusals: dict[str, int] = {}
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = receiver.take(body, self.headers["Psp-Signature"])
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the parent names it
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        """Return where to send webhooks."""
        return f"http://127.0.0.1:{self.port}/webhooks"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Return what a simulator must be told to send here."""
        return ("--webhook-url", self.url, "--webhook-secret", WEBHOOK_SECRET)

    def take(self, body: bytes, signature: str) -> int:
        """Keep a webhook and return the status to answer."""
        event = json.loads(body)
        self._received.append(Received(at=time.monotonic(), signature=signature, body=body, event=event))
        reference = event["data"]["reference"]
        if self.refusals.get(reference, 0) > 0:
            self.refusals[reference] -= 1
            return 503
        return 200

    def of(self, reference: str) -> list[Received]:
        """Return the webhooks about one reference in the order they came."""
        return [received for received in self._received if received.event["data"]["reference"] == reference]

    def wait_for(self, reference: str, *, count: int = 1) -> list[Received]:
        """Wait for so many webhooks about one reference and return them."""
        until(lambda: len(self.of(reference)) >= count)
        received = self.of(reference)
        assert len(received) == count
        return received

    def types_of(self, reference: str) -> list[str]:
        """Return the types of the webhooks about one reference in the order they came."""
        return [received.event["type"] for received in self.of(reference)]

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
