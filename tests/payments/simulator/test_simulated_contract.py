"""Whatever is sent, the answer is JSON with a status and a code."""

import json
import socket

import pytest

from .running import SECRET, Simulator, unique

AUTHORIZATION = {"amount": 1, "currency": "EUR", "token": "tok_approved", "reference": "r"}


class TestErrors:
    @pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
    def test_without_the_secret(self, simulator: Simulator, header: dict[str, str]) -> None:
        headers = {"Authorization": "", "Idempotency-Key": unique()} | header

        answer = simulator.client.post("/v1/authorizations", json=AUTHORIZATION, headers=headers)

        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"] == "Bearer"

    def test_health_needs_no_secret(self, simulator: Simulator) -> None:
        answer = simulator.client.get("/healthz", headers={"Authorization": ""})

        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})

    @pytest.mark.parametrize("path", ["/", "/v1", "/v1/authorizations/", "/v1/charges", "/%FF", "/v1/ledger/x"])
    def test_unknown_path(self, simulator: Simulator, path: str) -> None:
        answer = simulator.client.get(path)

        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")

    @pytest.mark.parametrize(
        ("method", "path", "allow"),
        [
            ("GET", "/v1/authorizations", "POST"),
            ("DELETE", "/v1/ledger", "GET"),
            ("PATCH", "/_control/faults", "DELETE, GET, POST"),
        ],
    )
    def test_wrong_method(self, simulator: Simulator, method: str, path: str, allow: str) -> None:
        answer = simulator.client.request(method, path)

        assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")
        assert answer.headers["Allow"] == allow

    @pytest.mark.parametrize("body", [b"{", b"[]", b"7", b"\xff\xfe", b'{"amount": NaN}', b"[" * 5_000])
    def test_malformed_json(self, simulator: Simulator, body: bytes) -> None:
        answer = simulator.client.post("/v1/authorizations", content=body, headers={"Idempotency-Key": unique()})

        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")

    @pytest.mark.parametrize("size", [65_537, 3_000_000])
    def test_too_large(self, simulator: Simulator, size: int) -> None:
        answer = simulator.client.post("/v1/authorizations", content=b"x" * size)

        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

    def test_body_in_pieces(self, simulator: Simulator) -> None:
        pieces = json.dumps(AUTHORIZATION).encode().partition(b":")

        answer = simulator.client.post(
            "/v1/authorizations", content=iter(pieces), headers={"Idempotency-Key": unique()}
        )

        assert answer.status_code == 201

    def test_too_large_in_pieces(self, simulator: Simulator) -> None:
        answer = simulator.client.post("/v1/authorizations", content=iter([b"x" * 1_000] * 100))

        assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")

    def test_body_that_breaks_off(self, simulator: Simulator) -> None:
        authorization_id, key = simulator.an_authorization(), unique()
        with socket.create_connection(("127.0.0.1", simulator.port)) as connection:
            connection.sendall(
                f"POST /v1/authorizations/{authorization_id}/void HTTP/1.1\r\n"
                "Host: x\r\nContent-Length: 2\r\n"
                f"Authorization: Bearer {SECRET}\r\nIdempotency-Key: {key}\r\n\r\n".encode()
            )
            # The server has the head once it asks for nothing more; then the client is gone.
            simulator.authorise()

        simulator.authorise()
        assert simulator.authorization(authorization_id)["voided"] is False

    @pytest.mark.parametrize(
        "change",
        [
            {"amount": 0},
            {"amount": -1},
            {"amount": "1"},
            {"amount": 1.0},
            {"amount": True},
            {"amount": None},
            {"amount": 10**13},
            {"amount": 10**30},
            {"currency": "eur"},
            {"currency": "EURO"},
            {"currency": 978},
            {"token": ""},
            {"reference": None},
            {"reference": "r" * 256},
            {"surprise": 1},
        ],
    )
    def test_invalid_field(self, simulator: Simulator, change: dict[str, object]) -> None:
        answer = simulator.post("/v1/authorizations", AUTHORIZATION | change)

        assert (answer.status_code, answer.json()["code"]) in {
            (400, "invalid_request"),
            (400, "malformed_json"),
        }
        assert answer.json()["message"]

    @pytest.mark.parametrize("field", sorted(AUTHORIZATION))
    def test_missing_field(self, simulator: Simulator, field: str) -> None:
        body = {name: value for name, value in AUTHORIZATION.items() if name != field}

        answer = simulator.post("/v1/authorizations", body)

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after=-1", f"after={10**30}"])
    def test_invalid_query(self, simulator: Simulator, query: str) -> None:
        answer = simulator.client.get(f"/v1/ledger?{query}")

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")

    @pytest.mark.parametrize("path", ["/v1/authorizations/auth_0", "/_control/approve/x", "/_control/decline/x"])
    def test_unknown_authorization(self, simulator: Simulator, path: str) -> None:
        method = "GET" if path.startswith("/v1") else "POST"

        answer = simulator.client.request(method, path)

        assert (answer.status_code, answer.json()["code"]) == (404, "authorization_not_found")

    @pytest.mark.parametrize("url", ["ftp://x/", "http://", "nonsense", "http://[::1", "http://x:99999/"])
    def test_webhook_url_that_cannot_be_one(self, simulator: Simulator, url: str) -> None:
        answer = simulator.client.put("/_control/webhook", json={"url": url, "secret": "s"})

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
