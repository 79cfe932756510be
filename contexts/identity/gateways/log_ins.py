"""Guards against guessing passwords: failures are counted on Valkey, by account and address, and by address."""

from dataclasses import dataclass
from typing import Final

from django.utils.crypto import salted_hmac

from contexts.identity.domain import TooManyFailedLogins
from shared.resilience.attempts import Counter, Patience, SharedAttempts

PREFIX: Final = "orderly:{log-ins}:"  # the braces keep all counters in one slot of a cluster
#: Of one account from one address: five, then half a minute, doubling up to an hour.
OF_ACCOUNT: Final = Patience(free=5, first_wait=30, longest_wait=3600)
#: Of all accounts from one address, which may be an office: fifty, then the same.
OF_ADDRESS: Final = Patience(free=50, first_wait=30, longest_wait=3600)


@dataclass(frozen=True, slots=True)
class ValkeyLoginGuard:
    """The port LoginGuard. Without Valkey it lets everybody try: Argon2 and the limits on requests are left then."""

    attempts: SharedAttempts
    of_account: Patience = OF_ACCOUNT
    of_address: Patience = OF_ADDRESS

    def begin(self, *, account: str, address: str) -> None:
        """Count an attempt, or raise TooManyFailedLogins with the wait."""
        wait = self.attempts.begin(self._counters(account, address))
        if wait:
            raise TooManyFailedLogins(retry_after=wait)

    def forgive(self, *, account: str, address: str) -> None:
        """Take the attempt back, for it succeeded."""
        self.attempts.forgive(self._counters(account, address))

    def _counters(self, account: str, address: str) -> tuple[Counter, Counter]:
        return (
            Counter(key=f"{PREFIX}account:{_digest_of(account, address)}", patience=self.of_account),
            Counter(key=f"{PREFIX}address:{_digest_of(address)}", patience=self.of_address),
        )


def _digest_of(*parts: str) -> str:
    """Return a keyed digest, so that no address of a person is kept outside of the database."""
    return str(salted_hmac(PREFIX, "\0".join(parts), algorithm="sha256").hexdigest())
