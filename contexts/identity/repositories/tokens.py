"""Refresh tokens in PostgreSQL."""

from datetime import datetime
from uuid import UUID

from contexts.identity.domain import InvalidToken, RefreshToken, TokenFamily
from contexts.identity.models import AccountRow, RefreshTokenRow


class DjangoTokenFamilies:
    """Token families in ``identity_refresh_token``, one row per token."""

    def holding(self, digest: str) -> TokenFamily:
        """Return the family that the token belongs or belonged to, locked, or raise InvalidToken.

        The lock is on the account: a lock on the tokens would not stop a renewal that is under way from
        adding one to a family that is just being revoked.
        """
        presented = RefreshTokenRow.objects.filter(token_hash=digest).first()
        if presented is None:
            raise InvalidToken
        AccountRow.objects.select_for_update(no_key=True).only("pk").get(pk=presented.account_id)
        current = RefreshTokenRow.objects.filter(family=presented.family, spent_at=None).first()
        if current is None:
            raise InvalidToken
        return TokenFamily(id=current.family, account_id=current.account_id, current=_token_of(current))

    def save(self, family: TokenFamily) -> None:
        """Store the family, be it new or changed."""
        for token in filter(None, (family.spent, family.current)):
            RefreshTokenRow.objects.update_or_create(
                id=token.id,
                defaults={"spent_at": token.spent_at, "revoked_at": token.revoked_at},
                create_defaults={
                    "account_id": family.account_id,
                    "family": family.id,
                    "token_hash": token.digest,
                    "expires_at": token.expires_at,
                    "spent_at": token.spent_at,
                    "revoked_at": token.revoked_at,
                },
            )

    def revoke_all_of(self, account_id: UUID, *, at: datetime) -> None:
        """End every family of the account."""
        RefreshTokenRow.objects.filter(account_id=account_id, spent_at=None, revoked_at=None).update(revoked_at=at)

    def forget_expired(self, *, before: datetime, at_most: int) -> int:
        """Delete tokens that expired before that time, and tell how many they were."""
        expired = RefreshTokenRow.objects.filter(expires_at__lt=before).order_by("expires_at")
        ids = list(expired.values_list("id", flat=True)[:at_most])
        return RefreshTokenRow.objects.filter(id__in=ids).delete()[0]


def _token_of(row: RefreshTokenRow) -> RefreshToken:
    return RefreshToken(
        id=row.id,
        digest=row.token_hash,
        expires_at=row.expires_at,
        spent_at=row.spent_at,
        revoked_at=row.revoked_at,
    )
