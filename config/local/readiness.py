"""Asking the web process whether the system is ready."""

import http.client
import json
import threading

INTERVAL_SECONDS = 0.3
ANSWER_SECONDS = 5.0
READY_PATH = "/readyz"
LONGEST_ANSWER = 2_000


class ReadinessProbe:
    """A thread that asks until the answer is 200."""

    __slots__ = ("_answer", "_host", "_port", "_ready", "_stopped", "_thread")

    def __init__(self, *, host: str, port: int) -> None:
        """Begin to ask."""
        self._host = host
        self._port = port
        self._answer = "nothing listens there yet"
        self._ready = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._ask_until_ready, name="readiness", daemon=True)
        self._thread.start()

    @property
    def is_ready(self) -> bool:
        """Tell whether the system has answered that it is ready."""
        return self._ready.is_set()

    @property
    def last_answer(self) -> str:
        """Return what was answered last, for a person to read."""
        return self._answer

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def _ask_until_ready(self) -> None:
        while not self._ready.is_set() and not self._stopped.wait(INTERVAL_SECONDS):
            self._ask()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=ANSWER_SECONDS)  # no proxy between
        try:
            connection.request("GET", READY_PATH, headers={"Accept": "application/json"})
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            self._answer = f"no answer ({error})"
            return
        finally:
            connection.close()
        if response.status == http.client.OK:
            self._ready.set()
        self._answer = f"{response.status} {response.reason}\n{_readable(body)}"


def _readable(body: str) -> str:
    try:
        text = json.dumps(json.loads(body), indent=2)
    except ValueError:
        text = body
    return text[:LONGEST_ANSWER]
