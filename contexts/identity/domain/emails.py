"""E-mail addresses in the one form in which they are kept."""

import unicodedata
from dataclasses import dataclass, field

from shared.domain.errors import ConflictError, InvalidInputError

MAX_EMAIL = 254  # characters: RFC 3696, erratum 1690
MAX_LOCAL_PART = 64  # characters: RFC 5321, section 4.5.3.1.1
MAX_LABEL = 63  # characters: RFC 1035, section 2.3.4


class InvalidEmail(InvalidInputError):
    """This is not an e-mail address; it has the form name@example.com."""

    pointer = "/email"


class EmailTaken(ConflictError):
    """There is an account with this e-mail address already; log in instead."""


@dataclass(frozen=True, slots=True)
class Email:
    """An e-mail address in its normal form: composed (NFC), lower case, no blanks around it."""

    text: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> "Email":
        """Return the normal form of the address, or raise InvalidEmail.

        Whether it exists is known only once a mail to it was answered; the plainly impossible is refused.
        """
        normal = unicodedata.normalize("NFC", text.strip().lower())
        local, _, host = normal.rpartition("@")
        if len(normal) > MAX_EMAIL or not _is_local_part(local) or not _is_host(host):
            raise InvalidEmail
        return cls(normal)


def _is_local_part(text: str) -> bool:
    if not 0 < len(text) <= MAX_LOCAL_PART or not text.isprintable():
        return False
    return all(text.split(".")) and not any(one.isspace() or one in '()<>[]:;@\\,"' for one in text)


def _is_host(text: str) -> bool:
    labels = text.split(".")
    return len(labels) > 1 and all(
        0 < len(label) <= MAX_LABEL
        and label.replace("-", "").isalnum()
        and not label.startswith("-")
        and not label.endswith("-")
        for label in labels
    )
