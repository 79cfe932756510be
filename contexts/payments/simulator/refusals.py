"""Say no in a way a client can act on: a status, a stable code, a sentence."""

from typing import ClassVar

import orjson


class Refusal(Exception):
    """The request was refused."""

    status: ClassVar[int] = 400
    code: ClassVar[str] = "refused"

    def __init__(self, message: str | None = None) -> None:
        self.message = message or type(self).__doc__ or self.code
        super().__init__(self.message)

    def as_body(self) -> bytes:
        """Write the refusal as the JSON every refusal has."""
        return orjson.dumps({"code": self.code, "message": self.message})


class StateRefusal(Refusal):
    """The state of the authorization does not allow this."""

    status = 409
    code = "state_conflict"


class InvalidRequest(Refusal):
    """The request is not valid."""

    status, code = 400, "invalid_request"


class NoAnswer(Exception):
    """Close the connection without an answer."""
