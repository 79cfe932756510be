from datetime import timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.contrib.auth.hashers import check_password, identify_hasher, make_password
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from contexts.identity.domain import AccessClaims, Email, InvalidToken, WeakPassword
from contexts.identity.gateways import (
    DjangoPasswordPolicy,
    DjangoPasswords,
    OwaspArgon2PasswordHasher,
    SignedAccessTokens,
    access_tokens,
    new_key_id,
    new_secret,
    passwords,
)
from contexts.identity.ports import AccessTokens, PasswordPolicy, Passwords
from shared.persistence.identifiers import new_id
from tests.identity.builders import NOW, PASSWORD
from tests.identity.fakes import PlainAccessTokens, PlainPasswords, ShortPasswordsAreWeak

OLD, NEW = "11" * 32, "22" * 32
LIFETIME = timedelta(minutes=15)
EMAIL = Email.parse("ada.lovelace@example.com")


def signed(*seeds: str) -> SignedAccessTokens:
    return SignedAccessTokens(seeds=seeds or [OLD], lifetime=LIFETIME)


def forged(*, seed: str = OLD, headers: dict[str, Any] | None = None, **changes: Any) -> str:
    """Return a token that differs from a good one in what is given."""
    good = signed().issue(account_id=new_id(), kind="customer", at=NOW)
    claims = jwt.decode(good, options={"verify_signature": False}) | changes
    claims = {name: value for name, value in claims.items() if value is not None}
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    return jwt.encode(claims, key, algorithm="EdDSA", headers=headers or jwt.get_unverified_header(good))


class TestAccessTokens:
    @pytest.fixture(params=[PlainAccessTokens, signed])
    def tokens(self, request: pytest.FixtureRequest) -> AccessTokens:
        made: AccessTokens = request.param()
        return made

    def test_say_who_holds_them(self, tokens: AccessTokens) -> None:
        account_id = new_id()
        token = tokens.issue(account_id=account_id, kind="staff", at=NOW)
        assert tokens.read(token, at=NOW) == AccessClaims(
            account_id=account_id, kind="staff", expires_at=NOW + LIFETIME
        )

    def test_run_out_at_the_end_of_their_life_however_often_they_were_read(self, tokens: AccessTokens) -> None:
        token = tokens.issue(account_id=new_id(), kind="customer", at=NOW)
        for pause in (timedelta(0), LIFETIME - timedelta(seconds=1)):
            assert tokens.read(token, at=NOW + pause)
        with pytest.raises(InvalidToken):
            tokens.read(token, at=NOW + LIFETIME)

    @pytest.mark.parametrize("text", ["", "nonsense", "a.b.c", "ok_x"])
    def test_refuse_what_was_never_issued(self, tokens: AccessTokens, text: str) -> None:
        with pytest.raises(InvalidToken):
            tokens.read(text, at=NOW)


class TestSignedAccessTokens:
    def test_carry_no_personal_data(self) -> None:
        token = signed().issue(account_id=new_id(), kind="customer", at=NOW)
        assert set(jwt.decode(token, options={"verify_signature": False})) == {
            "iss", "sub", "kind", "iat", "exp",
        }  # fmt: skip
        assert jwt.get_unverified_header(token)["alg"] == "EdDSA"
        assert len(token) < access_tokens.LONGEST_TOKEN

    def test_of_an_older_key_are_good_while_the_key_is_listed(self) -> None:
        token = signed(OLD).issue(account_id=new_id(), kind="customer", at=NOW)
        assert signed(NEW, OLD).read(token, at=NOW)
        with pytest.raises(InvalidToken):
            signed(NEW).read(token, at=NOW)

    @pytest.mark.parametrize(
        "token",
        [
            forged(seed=NEW),
            forged(iss="somebody else"),
            forged(iss=None),
            forged(sub="not an id"),
            forged(sub=None),
            forged(exp=None),
            forged(exp="soon"),
            forged(iat=None),
            forged(kind="key"),
            forged(kind=None),
            forged(headers={"kid": "unknown"}),
            forged(headers={"other": "header"}),
            forged() + "x",
            forged(padding="x" * 500),
            "ä.ö.ü",
        ],
    )
    def test_are_refused_when_anything_about_them_is_wrong(self, token: str) -> None:
        with pytest.raises(InvalidToken):
            signed().read(token, at=NOW)

    def test_are_refused_unsigned_or_signed_with_a_public_value(self) -> None:
        header = jwt.get_unverified_header(forged())
        claims = {"iss": "orderly", "sub": str(new_id()), "kind": "staff", "iat": 0, "exp": 2**40}
        for token in (
            jwt.encode(claims, "", algorithm="none", headers={"kid": header["kid"]}),
            jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": header["kid"]}),
        ):
            with pytest.raises(InvalidToken):
                signed().read(token, at=NOW)

    def test_are_verified_once_and_then_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        tokens = signed()
        token = tokens.issue(account_id=new_id(), kind="customer", at=NOW)
        first = tokens.read(token, at=NOW)
        monkeypatch.setattr(tokens, "_verifying", {})
        assert tokens.read(token, at=NOW) == first

    def test_are_remembered_in_a_bounded_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(access_tokens, "REMEMBERED_TOKENS", 2)
        tokens = signed()
        first, second, third = (
            tokens.issue(account_id=UUID(int=number), kind="customer", at=NOW) for number in range(3)
        )
        for token in (first, second, first, third):
            tokens.read(token, at=NOW)
        monkeypatch.setattr(tokens, "_verifying", {})
        assert tokens.read(first, at=NOW)
        with pytest.raises(InvalidToken):
            tokens.read(second, at=NOW)

    @pytest.mark.parametrize("seeds", [[], ["short"], ["zz" * 32], ["11" * 31]])
    def test_do_not_start_with_unusable_keys(self, seeds: list[str]) -> None:
        with pytest.raises(ImproperlyConfigured, match="openssl rand -hex 32"):
            SignedAccessTokens(seeds=seeds, lifetime=LIFETIME)


class TestPasswords:
    @pytest.fixture(params=[PlainPasswords, DjangoPasswords])
    def passwords(self, request: pytest.FixtureRequest) -> Passwords:
        made: Passwords = request.param()
        return made

    def test_are_verified_against_what_is_stored(self, passwords: Passwords) -> None:
        stored = passwords.hash(PASSWORD)
        assert passwords.verify(PASSWORD, stored)
        assert not passwords.verify(PASSWORD + " ", stored)

    def test_never_match_where_there_is_none(self, passwords: Passwords) -> None:
        assert not passwords.verify(PASSWORD, None)


class TestDjangoPasswords:
    def test_work_as_long_where_there_is_none(self, monkeypatch: pytest.MonkeyPatch) -> None:
        worked: list[str] = []
        monkeypatch.setattr(passwords, "make_password", worked.append)
        DjangoPasswords().verify(PASSWORD, None)
        assert worked == [PASSWORD]


class TestOwaspArgon2PasswordHasher:
    @override_settings(PASSWORD_HASHERS=["contexts.identity.gateways.OwaspArgon2PasswordHasher"])
    def test_works_with_the_cost_that_owasp_names(self) -> None:
        stored = make_password(PASSWORD)
        assert isinstance(identify_hasher(stored), OwaspArgon2PasswordHasher)
        assert "m=19456,t=2,p=1" in stored
        assert check_password(PASSWORD, stored)


class TestPasswordPolicy:
    @pytest.fixture(params=[ShortPasswordsAreWeak, DjangoPasswordPolicy])
    def policy(self, request: pytest.FixtureRequest) -> PasswordPolicy:
        made: PasswordPolicy = request.param()
        return made

    def test_accepts_a_phrase(self, policy: PasswordPolicy) -> None:
        policy.check(PASSWORD, email=EMAIL, name="Ada")

    def test_refuses_what_is_short_and_says_so(self, policy: PasswordPolicy) -> None:
        with pytest.raises(WeakPassword, match="too short"):
            policy.check("k3-Ux9", email=EMAIL, name="Ada")


class TestDjangoPasswordPolicy:
    @pytest.mark.parametrize(
        ("password", "reason"),
        [
            ("1234567890", "too common"),
            ("92837465019283", "entirely numeric"),
            ("ada.lovelace", "too similar to the e-mail address"),
        ],
    )
    def test_refuses_what_is_guessed_first(self, password: str, reason: str) -> None:
        with pytest.raises(WeakPassword, match=reason):
            DjangoPasswordPolicy().check(password, email=EMAIL, name="Ada")


class TestSecrets:
    def test_fit_the_form_of_a_key(self) -> None:
        assert len(new_secret()) == 43
        assert len(new_key_id()) == 12
        assert new_key_id().isalnum()
        assert new_secret() != new_secret()
