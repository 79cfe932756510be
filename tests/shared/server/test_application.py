"""The front over real sockets: what WSGI promises, bounds, slow readers, and the end."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2

from tests.journeys.system import eventually
from tests.shared.server import front as application
from tests.shared.server.conftest import Front

PAUSE = 0.3  # seconds in which something that goes on would be seen to go on


def exchange(front: Front, request: bytes) -> bytes:
    """Send these bytes and return what comes back until the server hangs up."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
        return received


def environ_of(answer: bytes) -> dict[str, Any]:
    """Return the environment that the application shows."""
    environ: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])["environ"]
    return environ


class TestRequests:
    def test_arrive_as_wsgi_wants_them(self, front: Front) -> None:
        raw = (
            b"GET /caf%C3%A9/a%20b?q=a%20b HTTP/1.1\r\nHost: shop.example:8000\r\nConnection: close\r\n"
            b"Cookie: a=1\r\nCookie: b=2\r\nX-Twice: 1\r\nX-Twice: 2\r\nContent-Type: text/plain\r\n\r\n"
        )
        environ = environ_of(exchange(front, raw))

        assert environ["PATH_INFO"] == "/café/a b".encode().decode("latin-1")
        assert environ["QUERY_STRING"] == "q=a%20b"
        assert environ["HTTP_HOST"] == "shop.example:8000"
        assert environ["HTTP_COOKIE"] == "a=1; b=2"
        assert environ["HTTP_X_TWICE"] == "1,2"
        assert environ["CONTENT_TYPE"] == "text/plain"
        assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("127.0.0.1", str(front.port))
        assert environ["wsgi.url_scheme"] == "http"

    def test_cannot_forge_a_header_by_an_underscore(self, front: Front) -> None:
        raw = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX_Forwarded_Proto: https\r\n\r\n"

        assert "HTTP_X_FORWARDED_PROTO" not in environ_of(exchange(front, raw))

    def test_bring_their_body_known_chunked_or_long(self, front: Front) -> None:
        def in_chunks() -> Iterator[bytes]:
            yield from (b"abc", b"defg")

        for body, length in ((b"", 0), (b"abc", 3), (in_chunks(), 7), (b"x" * 3_000_000, 3_000_000)):
            answer = httpx2.post(front.url, content=body).json()
            assert answer["length"] == length

    def test_with_too_long_a_body_are_refused(self, front: Front) -> None:
        answer = httpx2.post(front.url, content=b"x" * (33 * 1024 * 1024))

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert answer.headers["Content-Type"] == "application/problem+json"

    def test_that_meet_a_defect_get_a_problem_that_leaks_nothing(self, front: Front) -> None:
        answer = httpx2.get(f"{front.url}/defect")

        assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
        assert "secret" not in answer.text

    def test_are_refused_when_too_many_wait(self, front: Front) -> None:
        room = application.THREADS + application.MOST_WAITING
        with ThreadPoolExecutor(room + 6) as pool:
            answers = [pool.submit(httpx2.get, f"{front.url}/hold", timeout=30) for _ in range(room + 6)]
            refused = eventually(lambda: [one for one in answers if one.done()], what="a refusal")
            eventually(lambda: len([one for one in answers if one.done()]) == 6, what="six refusals")
            (front.notes / "let-go").touch()
            statuses = [one.result().status_code for one in answers]

        assert statuses.count(200) == room
        assert statuses.count(503) == 6
        assert refused[0].result().json()["code"] == "server_busy"
        assert refused[0].result().headers["Retry-After"] == "1"


class TestAnswers:
    def test_may_be_empty(self, front: Front) -> None:
        assert httpx2.get(f"{front.url}/no-content").status_code == 204
        head = httpx2.head(front.url)
        assert (head.status_code, head.content) == (200, b"")
        assert int(head.headers["Content-Length"]) > 0
        assert httpx2.head(f"{front.url}/stream").content == b""

    def test_may_be_files(self, front: Front) -> None:
        assert httpx2.get(f"{front.url}/file").content == Path(application.__file__).read_bytes()

    def test_may_be_made_while_they_are_sent(self, front: Front) -> None:
        assert httpx2.get(f"{front.url}/short-stream").content == b"a,b\n1,2\n"
        with httpx2.stream("GET", f"{front.url}/stream", timeout=60) as answer:
            assert sum(map(len, answer.iter_bytes())) == len(application.CHUNK) * application.CHUNKS
        eventually(lambda: front.noted("closed"), what="the end of the body")

    def test_are_made_no_faster_than_the_client_reads(self, front: Front) -> None:
        with socket.create_connection(("127.0.0.1", front.port)) as connection:
            connection.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            eventually(lambda: front.noted("made"), what="the first chunk")

            def stands_still() -> bool:
                before = front.noted("made")
                time.sleep(PAUSE)
                return front.noted("made") == before

            eventually(stands_still, what="a stop")
            assert int(front.noted("made") or 0) < application.CHUNKS / 2
            assert front.noted("closed") is None
        eventually(lambda: front.noted("closed"), what="the end of a body that nobody reads")

    def test_may_be_finished_later_on_the_event_loop(self, front: Front) -> None:
        assert httpx2.get(f"{front.url}/later").text == "found in a thread"


class TestEnd:
    def test_is_announced_and_leaves_nothing_unanswered(self, own_front: Front) -> None:
        front = own_front
        with ThreadPoolExecutor(1) as pool, httpx2.Client(base_url=front.url) as client:
            held = pool.submit(httpx2.get, f"{front.url}/hold", timeout=30)
            eventually(lambda: front.noted("held"), what="the request")
            front.process.terminate()

            announced = eventually(lambda: _while_draining(client), what="the announcement")
            assert announced.headers["Connection"] == "close"
            eventually(lambda: _is_closed(front.port), what="the closing of the port")
            assert front.process.poll() is None
            (front.notes / "let-go").touch()

            assert held.result().status_code == 200
        assert front.process.wait(timeout=10) == 0


def _while_draining(client: httpx2.Client) -> httpx2.Response | None:
    answer = client.get("/")
    return answer if answer.json()["draining"] else None


def _is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False
