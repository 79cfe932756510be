"""Everybody who may knock: people, keys, sessions, and those who are not who they say."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from config.roles import ROLES
from contexts.identity import wiring as identity
from contexts.identity.gateways import SignedAccessTokens
from contexts.identity.models import AccountRow, ApiKeyRow
from tests.identity.builders import an_account_row
from tests.shop import a_customer, a_key

CSRF = "c" * 32
#: The least and the most; a session has the rights of a token, by the same function.
SEEN_IN_SESSIONS = ("viewer", "superuser")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody with a token, a session, or nothing."""

    name: str
    kind: Literal["nobody", "customer", "staff", "key"] = "nobody"
    token: str = ""
    has_token: bool = False
    scopes: frozenset[str] = frozenset()
    role: str = ""
    session: Literal["", "customer", "staff"] = ""
    sends_csrf_token: bool = False
    client: Client = field(default_factory=lambda: Client(enforce_csrf_checks=True))

    @property
    def headers(self) -> dict[str, str]:
        """Return what the caller sends with each request."""
        bearer = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return bearer | ({"X-CSRFToken": CSRF} if self.sends_csrf_token else {})

    def is_one_of(self, roles: frozenset[str]) -> bool:
        """Tell whether this member of staff is in one of the roles, or a superuser."""
        return self.role in {*roles, "superuser"}

    def may(self, scope: str) -> bool:
        """Tell whether the scope was granted, by its name or by ``ops:*`` for all that begins so."""
        return scope in self.scopes or ("ops:*" in self.scopes and scope.startswith("ops:"))


def everybody(scopes: Sequence[str]) -> list[Caller]:
    """Return all who ask; the first is the customer whose things they ask for."""
    return [
        Caller(name="customer", kind="customer", token=a_customer()[1], has_token=True),
        *_strangers(),
        *_keys(scopes),
        *_staff(),
    ]


def _strangers() -> Iterator[Caller]:
    yield Caller(name="anonymous")
    yield Caller(name="other customer", kind="customer", token=a_customer("grace@example.com")[1], has_token=True)
    yield Caller(name="nonsense", token="nonsense")
    now, account = timezone.now(), an_account_row(email="late@example.com")
    lifetime = timedelta(minutes=15)
    expired = identity.access_tokens.issue(account_id=account.pk, kind="customer", at=now - lifetime)
    yield Caller(name="expired token", token=expired)
    forged = SignedAccessTokens(seeds=["66" * 32], lifetime=lifetime)
    yield Caller(name="forged token", token=forged.issue(account_id=account.pk, kind="staff", at=now))
    dismissed = an_account_row(email="gone@example.com", operator=True, is_active=False)
    left = identity.access_tokens.issue(account_id=dismissed.pk, kind="staff", at=now)
    yield Caller(name="dismissed member of staff", token=left)
    posing = identity.access_tokens.issue(account_id=account.pk, kind="staff", at=now)
    yield Caller(name="customer with a token that says staff", token=posing)
    yield _with_session(Caller(name="session of a customer", session="customer"), an_account_row())


def _keys(scopes: Sequence[str]) -> Iterator[Caller]:
    for scope in (*scopes, "ops:*", "nothing:here", "ops:nothing"):
        yield Caller(
            name=f"key with {scope}", kind="key", token=a_key(scope), has_token=True, scopes=frozenset({scope})
        )
    now, day = timezone.now(), timedelta(days=1)
    for state, past in (
        ("expired", {"created_at": now - 2 * day, "expires_at": now - day}),
        ("revoked", {"revoked_at": now}),
    ):
        token = a_key(*scopes, "ops:*")
        ApiKeyRow.objects.filter(key_id=token.split("_")[1]).update(**past)
        yield Caller(name=f"{state} key", token=token)
    good = a_key(*scopes, "ops:*")
    yield Caller(name="key with a wrong secret", token=good[:-1] + ("a" if good[-1] != "a" else "b"))


def _staff() -> Iterator[Caller]:
    for role in (*ROLES, "superuser", "no role"):
        account = an_account_row(email=f"{role}@example.com".replace(" ", "-"), is_staff=True)
        if role == "superuser":
            AccountRow.objects.filter(pk=account.pk).update(is_superuser=True)
        elif role != "no role":
            account.groups.add(Group.objects.get(name=role))
        token = identity.access_tokens.issue(account_id=account.pk, kind="staff", at=timezone.now())
        yield Caller(name=role, role=role, kind="staff", token=token, has_token=True)
        for sends in (True, False) if role in SEEN_IN_SESSIONS else ():
            name = f"session of {role} {'with' if sends else 'without'} CSRF token"
            yield _with_session(Caller(name=name, role=role, session="staff", sends_csrf_token=sends), account)


def _with_session(caller: Caller, account: object) -> Caller:
    caller.client.force_login(account)  # type: ignore[arg-type]  # the account model of the settings
    caller.client.cookies[settings.CSRF_COOKIE_NAME] = CSRF
    return caller
