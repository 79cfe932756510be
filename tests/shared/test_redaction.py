"""Secrets and personal data stay out of the logs, whatever they stand under and whatever they stand in."""

import json
import logging
import logging.config
from io import StringIO
from typing import Any

import pytest
import structlog
from psycopg.errors import UniqueViolation

from config.logging import configure_logging
from shared.telemetry.redaction import REDACTED, redact

KEY = "ok_0123456789ab_" + "Ab3" * 14 + "x"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiIwMTk3In0.c2lnbmF0dXJl-_"
REFRESH = "Zx9-" * 10 + "q_Z"


def redacted(**event: Any) -> dict[str, Any]:
    """Return the event as it would be written."""
    return dict(redact(None, "info", event))


class TestByName:
    @pytest.mark.parametrize(
        "name",
        [
            *("password", "new_password", "token", "refresh_token", "accessToken", "authorization", "Authorization"),
            *("secret", "signing_keys", "api_key", "email", "customer_email", "shipping_address", "billingAddress"),
            *("card", "card_number", "cvc", "iban", "phone", "cookie", "set-cookie", "csrf_token", "recipients"),
        ],
    )
    def test_hides_the_value(self, name: str) -> None:
        assert redacted(**{name: "anything"}) == {name: REDACTED}
        assert redacted(data={"deep": [{name: 4711}]}) == {"data": {"deep": [{name: REDACTED}]}}

    @pytest.mark.parametrize("name", ["keyword", "tokenizer", "cardinality", "pinned", "monkey", "addressee", "count"])
    def test_does_not_take_a_part_of_a_word_for_one(self, name: str) -> None:
        assert redacted(**{name: "visible"}) == {name: "visible"}

    def test_shows_whether_there_was_a_value(self) -> None:
        assert redacted(token=None, email="") == {"token": None, "email": ""}


class TestByPattern:
    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            (f"key {KEY} refused", f"key ok_0123456789ab_{REDACTED} refused"),
            (f"token={JWT}, expired", f"token={REDACTED}, expired"),
            (f"Authorization: Bearer {REFRESH}", f"Authorization: {REDACTED}"),
            (f"unknown token {REFRESH}", f"unknown token {REDACTED}"),
            ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", REDACTED),
            ("paid with tok_insufficient_funds", f"paid with {REDACTED}"),
            ("GET /customers?email=ada%40example.com&limit=2", f"GET /customers?email={REDACTED}&limit=2"),
            ("Key (email)=(ada.l+shop@example.co.uk) already exists.", f"Key (email)=({REDACTED}) already exists."),
            ("postgresql://orderly:s3cr3t@db:5432/x", f"postgresql://{REDACTED}@db:5432/x"),
            ("redis://:s3cr3t@cache/0", f"redis://{REDACTED}@cache/0"),
            ("card 4242 4242 4242 4242 declined", f"card {REDACTED} declined"),
            ("5555-5555-5555-4444", REDACTED),
        ],
    )
    def test_hides_what_looks_like_a_secret(self, text: str, shown: str) -> None:
        assert redacted(event=text, nested=[{"why": text.encode()}]) == {"event": shown, "nested": [{"why": shown}]}

    @pytest.mark.parametrize(
        "text",
        [
            "order 01a20786-2afd-7790-bf44-dba3b5be9d68 placed by key:01a20786-2afd-7790-bf44-dba3b5be9d68",
            "4242 4242 4242 4241 has no check digit",
            "2026-11-23 08:29:23.093905 took 1234567890123 ns",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "saga checkout: step authorize_payment, attempt 3 of 5",
            "/api/v1/orders/01a20786-2afd-7790-bf44-dba3b5be9d68/cancellation",
            "contexts.ordering.client_api.place",
        ],
    )
    def test_leaves_the_rest_readable(self, text: str) -> None:
        assert redacted(event=text) == {"event": text}

    def test_reads_objects_as_they_would_be_written(self) -> None:
        assert redacted(error=ValueError("no account ada@example.com"))["error"] == f"no account {REDACTED}"

    def test_does_not_look_for_ever(self) -> None:
        endless: list[Any] = []
        endless.append(endless)

        assert REDACTED in str(redacted(data=endless))


class TestLines:
    @pytest.fixture
    def written(self) -> Any:
        """Log as in production, to a text; put everything back afterwards."""
        text, before = StringIO(), structlog.get_config()
        root = logging.getLogger()
        handlers, level = root.handlers[:], root.level
        options = configure_logging(as_json=True, level="INFO")
        options["handlers"]["console"]["stream"] = text
        logging.config.dictConfig({**options, "loggers": {}})
        yield text
        root.handlers[:], root.level = handlers, level
        structlog.configure(**before)

    def test_hide_what_a_traceback_carries(self, written: StringIO) -> None:
        try:
            raise UniqueViolation("duplicate key: DETAIL: Key (email)=(ada@example.com) already exists.")
        except UniqueViolation as error:
            structlog.get_logger("ours").error("database_failed", exc_info=error)
            logging.getLogger("theirs").exception("refused %s of %s", KEY, "grace@example.com")
        ours, theirs = map(json.loads, written.getvalue().splitlines())

        assert "UniqueViolation" in ours["exception"]
        assert "UniqueViolation" in theirs["exception"]
        assert theirs["event"] == f"refused ok_0123456789ab_{REDACTED} of {REDACTED}"
        assert "example.com" not in written.getvalue()
