"""Who only reads is known by a remembered key, until it ends; who changes something is looked up each time."""

from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from contexts.identity.domain import ApiKey, InvalidToken
from contexts.identity.models import ApiKeyRow
from contexts.identity.public import authenticate
from contexts.identity.repositories import DjangoApiKeys
from contexts.identity.wiring import api_keys, create_api_key, ensure_api_key, revoke_api_key, rotate_api_key
from contexts.identity.wiring import authenticate as authenticate_principal
from shared.cache.valkey import ValkeyCache
from shared.embedded.files import free_port

pytestmark = pytest.mark.django_db(transaction=True)

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _remembered_for_long(settings: Settings) -> None:
    settings.API_KEYS_REMEMBERED = 10 * DAY


@pytest.fixture
def key() -> str:
    """Return a key that was used for reading a moment ago, so that it is remembered with its last use."""
    token = create_api_key(name="shop", scopes=["orders:read", "orders:write"], expires_at=timezone.now() + DAY).token
    for _ in range(2):  # the first use is noted
        authenticate(token, only_reads=True)
    return token


def id_of(name: str) -> UUID:
    return ApiKeyRow.objects.get(name=name, revoked_at=None).pk


def end_behind_the_back_of_the_cache() -> None:
    """Revoke the key as a process would that was killed right after its commit."""
    ApiKeyRow.objects.update(revoked_at=timezone.now())


def refuses(token: str, *, only_reads: bool) -> bool:
    try:
        authenticate(token, only_reads=only_reads)
    except InvalidToken:
        return True
    return False


def shown(key: ApiKey | None) -> dict[str, object]:
    """Return all that a key says about itself."""
    assert key is not None
    return {each.name: getattr(key, each.name) for each in fields(key) if each.name != "_recorded"}


class TestReading:
    def test_needs_no_query(self, key: str, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            caller = authenticate(key, only_reads=True)

        assert caller == authenticate(key)
        assert caller.scopes == {"orders:read", "orders:write"}

    def test_ends_with_the_commit_that_revokes_the_key(self, key: str) -> None:
        revoke_api_key(api_key_id=id_of("shop"))

        assert refuses(key, only_reads=True)

    def test_ends_with_the_commit_that_puts_another_key_in_its_place(self, key: str) -> None:
        ensure_api_key(name="shop", scopes=["orders:read"], expires_at=timezone.now() + DAY)

        assert refuses(key, only_reads=True)

    def test_ends_with_the_overlap_of_a_rotated_key(self, key: str) -> None:
        rotate_api_key(api_key_id=id_of("shop"), overlap=timedelta(hours=1))

        assert not refuses(key, only_reads=True)
        later = replace(authenticate_principal, now=lambda: timezone.now() + timedelta(hours=2))
        with pytest.raises(InvalidToken):
            later(token=key, only_reads=True)

    def test_wants_the_secret_of_a_remembered_key_too(self, key: str) -> None:
        assert refuses(key[:-1] + ("a" if key[-1] != "a" else "b"), only_reads=True)

    def test_remembers_nothing_of_keys_that_never_were(self, key: str) -> None:
        never, made = key.replace(ApiKeyRow.objects.get().key_id, "0" * 12), ApiKeyRow.objects.get()
        assert refuses(never, only_reads=True)

        ApiKeyRow.objects.filter(pk=made.pk).update(key_id="0" * 12)

        assert not refuses(never, only_reads=True)

    def test_is_noted_once_a_minute(self, key: str) -> None:
        before = _last_use()
        authenticate(key, only_reads=True)
        assert _last_use() == before

        in_a_minute = timezone.now() + timedelta(minutes=1)
        later = replace(authenticate_principal, now=lambda: in_a_minute)
        for _ in range(3):
            later(token=key, only_reads=True)

        assert _last_use() == in_a_minute

    def test_works_without_valkey(self, key: str) -> None:
        cache = ValkeyCache(name="unreachable", url=f"redis://127.0.0.1:{free_port()}")
        without = replace(authenticate_principal, api_keys=DjangoApiKeys(cache))

        assert without(token=key, only_reads=True).scopes == authenticate(key).scopes
        end_behind_the_back_of_the_cache()
        with pytest.raises(InvalidToken):
            without(token=key, only_reads=True)

    def test_looks_a_key_up_whose_remembered_form_is_that_of_another_version(self, key: str) -> None:
        cache = ValkeyCache(name=uuid4().hex, url=settings.REDIS_URL)
        cache.remember(ApiKeyRow.objects.get().key_id, seconds=60, load=lambda: b'{"of": "tomorrow"}')
        beside = replace(authenticate_principal, api_keys=DjangoApiKeys(cache))

        assert beside(token=key, only_reads=True).scopes == authenticate(key).scopes

    def test_gets_a_key_as_it_stands_in_the_table(self, key: str) -> None:
        key_id = ApiKeyRow.objects.get().key_id

        remembered, stands = api_keys.recall_by_key_id(key_id), api_keys.find_by_key_id(key_id)

        assert shown(remembered) == shown(stands)


class TestChanging:
    def test_looks_the_key_up_whatever_is_remembered(self, key: str) -> None:
        end_behind_the_back_of_the_cache()

        assert not refuses(key, only_reads=True)  # what is tested below would be refused anyway otherwise
        assert refuses(key, only_reads=False)


class TestRequests:
    """Which requests only read is a matter of their method, for both APIs."""

    @pytest.mark.parametrize(
        ("read", "changed"), [("/api/v1/orders", "/api/v1/orders"), ("/api/ops/v1/orders", "/api/ops/v1/products")]
    )
    def test_that_read_may_be_known_by_what_is_remembered_others_not(
        self, client: Client, read: str, changed: str
    ) -> None:
        scopes = ["orders:read", "orders:write", "ops:*"]
        token = create_api_key(name="shop", scopes=scopes, expires_at=timezone.now() + DAY).token
        headers = {"Authorization": f"Bearer {token}"}
        for _ in range(2):
            assert client.get(read, headers=headers).status_code == 200
        end_behind_the_back_of_the_cache()

        assert client.get(read, headers=headers).status_code == 200
        answer = client.post(changed, {}, content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


def _last_use() -> datetime:
    used: datetime = ApiKeyRow.objects.get().last_used_at  # type: ignore[assignment]
    return used
