from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.identity.domain import (
    AccountNotActive,
    ApiKey,
    Email,
    ExpiryInThePast,
    InvalidEmail,
    InvalidScope,
    InvalidToken,
    IssuedTokens,
    Renewal,
    WeakPassword,
    parts_of_key,
)
from contexts.identity.events import (
    ApiKeyCreated,
    ApiKeyRevoked,
    CustomerRegistered,
    OperatorAppointed,
    ProfileChanged,
)
from tests.identity.builders import KEY_ID, KEY_TEXT, NOW, SECRET, a_family, a_key, a_refresh_token, an_account

LATER = NOW + timedelta(hours=1)


def events_of(aggregate: object) -> list[object]:
    return [recorded.event for recorded in aggregate.release_events()]  # type: ignore[attr-defined]


class TestEmail:
    def test_is_kept_without_case_and_blanks(self) -> None:
        assert Email.parse("  Ada.Lovelace@Example.COM ") == Email("ada.lovelace@example.com")

    def test_is_the_same_however_its_accents_are_composed(self) -> None:
        assert Email.parse("andre\u0301@example.com") == Email.parse("andr\u00e9@example.com")

    @pytest.mark.parametrize(
        "text",
        "ada@example.com a@b.co ada+shop@mail.example.co.uk o'hara@x-y.example ada@bücher.example 1@2.34".split(),
    )
    def test_may_look_like(self, text: str) -> None:
        assert Email.parse(text).text == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "@",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@@example.com",
            "a da@example.com",
            "ada@exam ple.com",
            "ada@-example.com",
            "ada@example..com",
            "ada@example.com.",
            ".ada@example.com",
            "ada..b@example.com",
            "ada\n@example.com",
            "ada\x00@example.com",
            "ada@example.com\nBcc: all@example.com",
            "Ada <ada@example.com>",
            '"ada"@example.com',
            "a" * 65 + "@example.com",
            "a@" + "b" * 64 + ".com",
            "a@" + "b." * 130 + "com",
        ],
    )
    def test_cannot_look_like(self, text: str) -> None:
        with pytest.raises(InvalidEmail, match="not an e-mail address"):
            Email.parse(text)

    @given(st.text(max_size=20), st.text(max_size=20))
    def test_has_one_normal_form(self, local: str, host: str) -> None:
        try:
            once = Email.parse(f"{local}@{host}.com")
        except InvalidEmail:
            return
        assert Email.parse(once.text) == once

    def test_does_not_show_in_a_log(self) -> None:
        assert "ada" not in repr(Email.parse("ada@example.com"))
        assert "ada" not in repr(an_account()).lower()


class TestRegistration:
    def test_is_news_without_personal_data(self) -> None:
        blank = an_account()
        account = type(blank).register(id=blank.id, email=blank.email, name="Ada", password_hash="x", at=NOW)
        assert account.kind == "customer"
        assert events_of(account) == [CustomerRegistered(account_id=blank.id, occurred_at=NOW)]


class TestRename:
    def test_is_news(self) -> None:
        account = an_account()
        account.rename(name="Ada Lovelace", at=NOW)
        assert account.name == "Ada Lovelace"
        assert events_of(account) == [ProfileChanged(account_id=account.id, occurred_at=NOW)]

    def test_to_the_same_name_is_no_news(self) -> None:
        account = an_account(name="Ada")
        account.rename(name="Ada", at=NOW)
        assert events_of(account) == []

    def test_is_refused_once_deactivated(self) -> None:
        with pytest.raises(AccountNotActive, match="deactivated"):
            an_account(is_active=False).rename(name="Ada Lovelace", at=NOW)


class TestAppointment:
    def test_gives_every_right(self) -> None:
        account = an_account(is_active=False)
        account.appoint_operator(at=NOW)
        assert account.is_operator
        assert account.kind == "staff"
        assert events_of(account) == [OperatorAppointed(account_id=account.id, occurred_at=NOW)]

    def test_of_an_operator_is_no_news(self) -> None:
        account = an_account(is_staff=True, is_superuser=True)
        account.appoint_operator(at=NOW)
        assert events_of(account) == []


class TestRenewal:
    def test_spends_the_token_for_its_successor(self) -> None:
        family, successor = a_family(text="first"), a_refresh_token("second")
        first = family.current
        assert family.renew(presented=first.digest, successor=successor, at=LATER) is Renewal.DONE
        assert family.current == successor
        assert family.spent is not None
        assert (family.spent.id, family.spent.spent_at) == (first.id, LATER)

    def test_with_a_spent_token_revokes_the_family(self) -> None:
        family = a_family(text="second")
        first, third = a_refresh_token("first"), a_refresh_token("third")
        outcome = family.renew(presented=first.digest, successor=third, at=LATER)
        assert outcome is Renewal.THEFT_SUSPECTED
        assert family.current.revoked_at == LATER
        assert not family.current.is_good(at=LATER)

    def test_with_a_spent_token_of_a_revoked_family_is_no_news(self) -> None:
        family = a_family(text="second", revoked_at=NOW)
        outcome = family.renew(presented=a_refresh_token("first").digest, successor=a_refresh_token("third"), at=LATER)
        assert outcome is Renewal.REFUSED
        assert family.current.revoked_at == NOW

    def test_is_refused_at_the_moment_of_expiry(self) -> None:
        family = a_family(expires_at=LATER)
        outcome = family.renew(presented=family.current.digest, successor=a_refresh_token("second"), at=LATER)
        assert outcome is Renewal.REFUSED

    def test_is_refused_once_revoked(self) -> None:
        family = a_family()
        family.revoke(at=NOW)
        outcome = family.renew(presented=family.current.digest, successor=a_refresh_token("second"), at=LATER)
        assert outcome is Renewal.REFUSED

    def test_keeps_the_time_of_the_first_revocation(self) -> None:
        family = a_family()
        family.revoke(at=NOW)
        family.revoke(at=LATER)
        assert family.current.revoked_at == NOW


class TestApiKey:
    def test_tells_of_its_making_without_its_secret(self) -> None:
        key = a_key(scopes={"orders:write", "orders:read"})
        assert events_of(key) == [
            ApiKeyCreated(api_key_id=key.id, key_id=KEY_ID, scopes=("orders:read", "orders:write"), occurred_at=NOW)
        ]
        assert SECRET not in repr(key)

    def test_admits_its_secret_only(self) -> None:
        assert a_key().admits(secret=SECRET, at=NOW)
        assert not a_key().admits(secret=SECRET + "x", at=NOW)

    def test_admits_nobody_from_the_moment_of_expiry(self) -> None:
        assert not a_key(expires_at=LATER).admits(secret=SECRET, at=LATER)

    def test_admits_nobody_once_revoked(self) -> None:
        key = a_key()
        key.revoke(at=NOW)
        assert not key.admits(secret=SECRET, at=NOW)

    def test_is_revoked_once(self) -> None:
        key = a_key()
        key.release_events()
        key.revoke(at=NOW)
        key.revoke(at=LATER)
        assert key.revoked_at == NOW
        assert events_of(key) == [ApiKeyRevoked(api_key_id=key.id, key_id=KEY_ID, occurred_at=NOW)]

    @pytest.mark.parametrize("scope", "orders:read ops:* ops:orders:write webhook-endpoints:write".split())
    def test_may_have_the_scope(self, scope: str) -> None:
        assert a_key(scopes=[scope]).scopes == {scope}

    @pytest.mark.parametrize(
        "scope", ["", "*", ":", "orders", "orders:", ":read", "orders:read,write", "a:" + "b" * 99]
    )
    def test_cannot_have_the_scope(self, scope: str) -> None:
        with pytest.raises(InvalidScope, match="resource:action"):
            a_key(scopes=[scope])

    def test_needs_a_scope(self) -> None:
        with pytest.raises(InvalidScope, match="at least one scope"):
            a_key(scopes=[])

    def test_cannot_be_made_expired(self) -> None:
        with pytest.raises(ExpiryInThePast, match="future"):
            a_key(expires_at=NOW)

    def test_has_its_use_noted_once_a_minute(self) -> None:
        key: ApiKey = a_key()
        assert key.use_is_worth_noting(at=NOW)
        key.last_used_at = NOW
        assert not key.use_is_worth_noting(at=NOW + timedelta(seconds=59))
        assert key.use_is_worth_noting(at=NOW + timedelta(seconds=60))


class TestPartsOfKey:
    def test_are_its_public_and_its_secret_part(self) -> None:
        assert parts_of_key(KEY_TEXT) == (KEY_ID, SECRET)

    def test_may_have_underscores_in_the_secret(self) -> None:
        assert parts_of_key(f"ok_{KEY_ID}_a_b-c") == (KEY_ID, "a_b-c")

    @pytest.mark.parametrize(
        "text", ["ok_", "ok_abc", "ok_abc_", "ok__secret", "ok_a\0b_x", "ok_äbc_x", "ok_1234567890123_x"]
    )
    def test_are_refused_when_malformed(self, text: str) -> None:
        with pytest.raises(InvalidToken):
            parts_of_key(text)


class TestWeakPassword:
    def test_says_why(self) -> None:
        refusal = WeakPassword(reasons=["It is too short.", "It is too common."])
        assert refusal.message == ("Choose a password that is harder to guess. It is too short. It is too common.")
        assert (refusal.code, refusal.at) == ("weak_password", "/password")


class TestIssuedTokens:
    def test_do_not_show_in_a_log(self) -> None:
        assert "abc" not in repr(IssuedTokens(access_token="abc", refresh_token="abc", expires_in=900))
