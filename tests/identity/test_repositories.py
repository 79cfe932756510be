from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection, transaction

from contexts.identity.domain import (
    AccountNotFound,
    ApiKeyNotFound,
    Email,
    EmailTaken,
    InvalidToken,
    digest_of,
)
from contexts.identity.models import RefreshTokenRow
from contexts.identity.ports import Accounts, ApiKeys, TokenFamilies
from contexts.identity.repositories import DjangoAccounts, DjangoApiKeys, DjangoTokenFamilies
from contexts.identity.wiring import issue_tokens, refresh_tokens
from shared.cache.valkey import ValkeyCache
from shared.domain.errors import LostRace
from shared.outbox.messages import history_of
from shared.persistence.identifiers import new_id
from tests.identity.builders import (
    KEY_ID,
    NOW,
    PASSWORD,
    a_family,
    a_key,
    a_refresh_token,
    an_account,
    an_account_row,
)
from tests.identity.fakes import InMemoryAccounts, InMemoryApiKeys, InMemoryTokenFamilies

LATER = NOW + timedelta(hours=1)
on_both = pytest.fixture(params=["memory", "postgresql"])


@on_both
def accounts(request: pytest.FixtureRequest) -> Accounts:
    if request.param == "memory":
        return InMemoryAccounts()
    request.getfixturevalue("db")
    return DjangoAccounts()


@on_both
def families(request: pytest.FixtureRequest) -> TokenFamilies:
    if request.param == "memory":
        return InMemoryTokenFamilies()
    request.getfixturevalue("db")
    return DjangoTokenFamilies()


@on_both
def keys(request: pytest.FixtureRequest) -> ApiKeys:
    if request.param == "memory":
        return InMemoryApiKeys()
    request.getfixturevalue("db")
    return DjangoApiKeys(ValkeyCache(name=uuid4().hex, url=settings.REDIS_URL))


class TestAccounts:
    def test_are_returned_as_they_were_added(self, accounts: Accounts) -> None:
        account = an_account(is_staff=True)
        accounts.add(account)
        for found in (
            accounts.get(account.id),
            accounts.find(account.id),
            accounts.find_by_email(account.email),
        ):
            assert found is not None
            assert (found.id, found.email, found.name, found.password_hash, found.kind, found.version) == (
                account.id, account.email, account.name, account.password_hash, "staff", 0,
            )  # fmt: skip

    def test_have_one_per_address(self, accounts: Accounts) -> None:
        accounts.add(an_account())
        with pytest.raises(EmailTaken, match="already"):
            accounts.add(an_account())
        assert accounts.find_by_email(Email.parse("ada@example.com"))

    def test_keep_a_change(self, accounts: Accounts) -> None:
        account = an_account()
        accounts.add(account)
        account.rename(name="Ada Lovelace", at=NOW)
        accounts.save(account)
        kept = accounts.get(account.id)
        assert (kept.name, kept.version, kept.sequence) == ("Ada Lovelace", 1, 1)

    def test_notice_a_lost_race(self, accounts: Accounts) -> None:
        account = an_account()
        accounts.add(account)
        twin = accounts.get(account.id)
        accounts.save(account)
        with pytest.raises(LostRace):
            accounts.save(twin)

    def test_say_when_there_is_none(self, accounts: Accounts) -> None:
        with pytest.raises(AccountNotFound, match="no such account"):
            accounts.get(new_id())
        assert accounts.find(new_id()) is None
        assert accounts.find_by_email(Email.parse("bob@example.com")) is None


@pytest.mark.django_db
class TestDjangoAccounts:
    def test_store_the_news_with_the_account(self) -> None:
        account = an_account()
        DjangoAccounts().add(account)
        account.rename(name="Ada Lovelace", at=NOW)
        DjangoAccounts().save(account)
        assert [(one.sequence, one.topic) for one in history_of(account.id)] == [(1, "identity.profile_changed.v1")]
        assert "Lovelace" not in str(history_of(account.id))


class TestTokenFamilies:
    def held_by_somebody(self, families: TokenFamilies, text: str = "first", **changes: object) -> str:
        holder = an_account(email=Email.parse(f"{text}@example.com"))
        if isinstance(families, DjangoTokenFamilies):
            DjangoAccounts().add(holder)
        family = a_family(of=holder.id, text=text, **changes)
        families.save(family)
        return family.current.digest

    def test_are_found_by_their_token(self, families: TokenFamilies) -> None:
        digest = self.held_by_somebody(families)
        assert families.holding(digest).current.digest == digest

    def test_are_found_by_a_spent_token_too(self, families: TokenFamilies) -> None:
        digest = self.held_by_somebody(families)
        family = families.holding(digest)
        family.renew(presented=digest, successor=a_refresh_token("second"), at=LATER)
        families.save(family)
        assert families.holding(digest).current.digest == digest_of("second")
        assert families.holding(digest).id == family.id

    def test_keep_a_revocation(self, families: TokenFamilies) -> None:
        digest = self.held_by_somebody(families)
        family = families.holding(digest)
        family.revoke(at=LATER)
        families.save(family)
        assert families.holding(digest).current.revoked_at == LATER

    def test_of_one_account_are_revoked_together(self, families: TokenFamilies) -> None:
        digest, other = self.held_by_somebody(families), self.held_by_somebody(families, "other")
        families.revoke_all_of(families.holding(digest).account_id, at=LATER)
        assert families.holding(digest).current.revoked_at == LATER
        assert families.holding(other).current.revoked_at is None

    def test_are_forgotten_once_expired(self, families: TokenFamilies) -> None:
        old = self.held_by_somebody(families, "old", expires_at=NOW)
        young = self.held_by_somebody(families, "young", expires_at=LATER)
        assert families.forget_expired(before=LATER, at_most=10) == 1
        assert families.holding(young)
        with pytest.raises(InvalidToken):
            families.holding(old)

    def test_are_unknown_for_a_token_that_was_never_issued(self, families: TokenFamilies) -> None:
        with pytest.raises(InvalidToken):
            families.holding(digest_of("never issued"))


@pytest.mark.django_db
class TestDjangoTokenFamilies:
    def test_have_one_unspent_token_by_force_of_the_database(self) -> None:
        holder = an_account_row()
        family = a_family(of=holder.pk)
        DjangoTokenFamilies().save(family)
        family.current = replace(a_refresh_token("second"), id=new_id())
        with pytest.raises(Exception, match="one_unspent_per_family"), transaction.atomic():
            DjangoTokenFamilies().save(family)


class TestApiKeys:
    def test_are_returned_as_they_were_added(self, keys: ApiKeys) -> None:
        key = a_key(scopes={"orders:read", "ops:*"})
        keys.add(key)
        for found in (keys.get(key.id), keys.find_by_key_id(KEY_ID), keys.unrevoked_named("shop")[0]):
            assert found is not None
            assert (found.id, found.scopes, found.secret_digest, found.expires_at) == (
                key.id, key.scopes, key.secret_digest, key.expires_at,
            )  # fmt: skip

    def test_keep_a_revocation(self, keys: ApiKeys) -> None:
        key = a_key()
        keys.add(key)
        key.revoke(at=LATER)
        keys.save(key)
        assert keys.get(key.id).revoked_at == LATER
        assert keys.unrevoked_named("shop") == []

    def test_notice_a_lost_race(self, keys: ApiKeys) -> None:
        key = a_key()
        keys.add(key)
        twin = keys.get(key.id)
        keys.save(key)
        with pytest.raises(LostRace):
            keys.save(twin)

    def test_note_their_use_once_a_minute(self, keys: ApiKeys) -> None:
        key = a_key()
        keys.add(key)
        for seconds in (0, 59, 60):
            keys.note_use(key, at=NOW + timedelta(seconds=seconds))
            expected = NOW + timedelta(seconds=60 if seconds == 60 else 0)
            assert keys.get(key.id).last_used_at == expected

    def test_say_when_there_is_none(self, keys: ApiKeys) -> None:
        assert keys.find_by_key_id("nobody") is None
        with pytest.raises(ApiKeyNotFound, match="no such API key"):
            keys.get(new_id())


@pytest.mark.django_db(transaction=True)
class TestParallelRenewal:
    def test_lets_one_through_and_then_ends_the_family(self) -> None:
        row = an_account_row()
        tokens = issue_tokens(email=row.email, password=PASSWORD, address="127.0.0.1")
        together = Barrier(4)

        def renew(_: int) -> str | None:
            connection.ensure_connection()  # or the first would be done before the last has one
            together.wait()
            try:
                return refresh_tokens(refresh_token=tokens.refresh_token).refresh_token
            except InvalidToken:
                return None
            finally:
                connection.close()

        with ThreadPoolExecutor(4) as pool:
            renewed = [one for one in pool.map(renew, range(4)) if one]
        assert len(renewed) == 1
        with pytest.raises(InvalidToken):
            refresh_tokens(refresh_token=renewed[0])
        assert RefreshTokenRow.objects.filter(spent_at=None, revoked_at=None).count() == 0
        assert [one.topic for one in history_of(row.pk)] == ["identity.refresh_token_reused.v1"]
