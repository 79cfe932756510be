"""Tokens of links by Django's signer: nothing of them is stored."""

from datetime import datetime
from hashlib import sha256
from uuid import UUID

from django.core.signing import BadSignature, Signer

from contexts.identity.domain import Account, InvalidLink, Link, LinkPurpose

LONGEST_TOKEN = 512  # characters
MARK_LENGTH = 32  # characters


class SignedLinks:
    """Signs with ``settings.SECRET_KEY``, and reads what one of its fallbacks has signed.

    A token carries a mark of what using it changes, so it is good once.
    """

    def make(self, purpose: LinkPurpose, *, account: Account, at: datetime) -> str:
        """Return the token of a link that is good for the account in its present state only."""
        expires_at = int((at + purpose.lifetime).timestamp())
        content = [str(account.id), expires_at, self.mark_of(purpose, account=account)]
        return _signer_of(purpose).sign_object(content)

    def read(self, token: str, *, purpose: LinkPurpose, at: datetime) -> Link:
        """Return what a genuine token says that has not expired, or raise InvalidLink."""
        if len(token) > LONGEST_TOKEN or not token.isascii():
            raise InvalidLink
        try:
            account_id, expires_at, mark = _signer_of(purpose).unsign_object(token)
        except (BadSignature, ValueError):
            raise InvalidLink from None
        if at.timestamp() >= expires_at:
            raise InvalidLink
        return Link(account_id=UUID(account_id), mark=mark)

    def mark_of(self, purpose: LinkPurpose, *, account: Account) -> str:
        """Return the mark of the account's state, which changes when a link is used."""
        state = [account.email.text, str(account.is_active)]
        state += [account.password_hash] if purpose is LinkPurpose.RESET_PASSWORD else [str(account.email_verified_at)]
        return sha256("\0".join((_salt_of(purpose), *state)).encode()).hexdigest()[:MARK_LENGTH]  # signed with the rest


def _signer_of(purpose: LinkPurpose) -> Signer:
    return Signer(salt=_salt_of(purpose), algorithm="sha256")


def _salt_of(purpose: LinkPurpose) -> str:
    return f"identity.links.{purpose}"
