from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from contexts.identity.domain import (
    ApiKeyNotGood,
    EmailTaken,
    InvalidCredentials,
    InvalidEmail,
    InvalidOverlap,
    InvalidToken,
    Principal,
    WeakPassword,
    digest_of,
)
from contexts.identity.events import (
    ApiKeyRevoked,
    CustomerRegistered,
    OperatorAppointed,
    RefreshTokenReused,
)
from shared.persistence.identifiers import new_id
from tests.identity.builders import KEY_TEXT, NOW, PASSWORD, a_family, a_key, an_account
from tests.identity.fakes import PlainPasswords
from tests.identity.world import MONTH, Identity

YEAR = timedelta(days=365)


class TestRegisterCustomer:
    def test_opens_an_account(self, identity: Identity) -> None:
        account = identity.register(email="Ada@Example.com", password=PASSWORD, name="Ada")
        assert identity.accounts.get(account.id).email.text == "ada@example.com"
        assert identity.accounts.published == [CustomerRegistered(account_id=account.id, occurred_at=NOW)]

    def test_is_refused_for_an_address_that_differs_in_case_only(self, identity: Identity) -> None:
        identity.register(email="ada@example.com", password=PASSWORD, name="Ada")
        with pytest.raises(EmailTaken, match="log in instead"):
            identity.register(email="ADA@example.com", password=PASSWORD, name="Ada")

    def test_is_refused_with_a_weak_password(self, identity: Identity) -> None:
        with pytest.raises(WeakPassword, match="too short"):
            identity.register(email="ada@example.com", password="short", name="Ada")
        assert identity.accounts.kept == {}

    def test_is_refused_with_an_impossible_address(self, identity: Identity) -> None:
        with pytest.raises(InvalidEmail):
            identity.register(email="ada", password=PASSWORD, name="Ada")


class TestIssueTokens:
    def test_hands_over_a_pair(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        assert identity.authenticate(token=tokens.access_token).kind == "customer"
        assert tokens.expires_in == 900

    def test_keeps_the_digest_of_the_refresh_token_only(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        assert [token.digest for _, _, token in identity.families.tokens.values()] == [digest_of(tokens.refresh_token)]

    @pytest.mark.parametrize(
        ("email", "password"),
        [("ada@example.com", "wrong password"), ("bob@example.com", PASSWORD), ("no address", PASSWORD)],
    )
    def test_is_refused_in_the_same_words_and_with_the_same_work(
        self, identity: Identity, email: str, password: str
    ) -> None:
        identity.holds(an_account())
        with pytest.raises(InvalidCredentials, match="address or the password"):
            identity.log_in(email=email, password=password)
        assert identity.passwords.worked == 1

    def test_is_refused_once_deactivated(self, identity: Identity) -> None:
        identity.holds(an_account(is_active=False))
        with pytest.raises(InvalidCredentials):
            identity.log_in(email="ada@example.com", password=PASSWORD)

    def test_is_refused_when_the_password_changes_while_it_is_checked(self, identity: Identity) -> None:
        account = identity.holds(an_account())

        @dataclass
        class SlowPasswords(PlainPasswords):
            def verify(self, password: str, password_hash: str | None) -> bool:
                identity.accounts.kept[account.id].password_hash = "plain:another"
                return super().verify(password, password_hash)

        with pytest.raises(InvalidCredentials):
            replace(identity.issue_tokens, passwords=SlowPasswords())(
                email="ada@example.com", password=PASSWORD, address="192.0.2.1"
            )
        assert identity.families.tokens == {}


class TestRefreshTokens:
    def test_hands_over_a_new_pair(self, identity: Identity) -> None:
        first = identity.logged_in()
        second = identity.refresh(refresh_token=first.refresh_token)
        assert second.refresh_token != first.refresh_token
        assert identity.refresh(refresh_token=second.refresh_token).access_token

    def test_revokes_the_family_when_a_spent_token_comes_back(self, identity: Identity) -> None:
        account = identity.holds(an_account())
        first = identity.log_in(email="ada@example.com", password=PASSWORD)
        second = identity.refresh(refresh_token=first.refresh_token)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=first.refresh_token)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=second.refresh_token)
        [event] = identity.accounts.published
        assert isinstance(event, RefreshTokenReused)
        assert event.account_id == account.id

    def test_leaves_other_log_ins_alone_when_one_is_revoked(self, identity: Identity) -> None:
        first = identity.logged_in()
        other = identity.log_in(email="ada@example.com", password=PASSWORD)
        identity.refresh(refresh_token=first.refresh_token)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=first.refresh_token)
        assert identity.refresh(refresh_token=other.refresh_token).access_token

    def test_is_refused_for_an_unknown_token(self, identity: Identity) -> None:
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token="never issued")

    def test_is_refused_after_a_month(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        identity.clock.move_on(MONTH)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=tokens.refresh_token)

    def test_ends_the_family_of_a_deactivated_account(self, identity: Identity) -> None:
        account = identity.holds(an_account())
        tokens = identity.log_in(email="ada@example.com", password=PASSWORD)
        identity.deactivate(account.id)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=tokens.refresh_token)
        identity.accounts.kept[account.id].is_active = True
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=tokens.refresh_token)


class TestRevokeTokens:
    def test_logs_out(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        identity.log_out(refresh_token=tokens.refresh_token)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=tokens.refresh_token)

    def test_is_harmless_a_second_time(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        identity.log_out(refresh_token=tokens.refresh_token)
        identity.log_out(refresh_token=tokens.refresh_token)

    def test_with_a_spent_token_ends_its_successors(self, identity: Identity) -> None:
        first = identity.logged_in()
        second = identity.refresh(refresh_token=first.refresh_token)
        identity.log_out(refresh_token=first.refresh_token)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=second.refresh_token)

    def test_is_refused_for_an_unknown_token(self, identity: Identity) -> None:
        with pytest.raises(InvalidToken):
            identity.log_out(refresh_token="never issued")


class TestEndSessions:
    def test_ends_every_log_in_of_the_account(self, identity: Identity) -> None:
        account = identity.holds(an_account())
        pairs = [identity.log_in(email="ada@example.com", password=PASSWORD) for _ in range(2)]
        identity.end_sessions(account_id=account.id)
        for pair in pairs:
            with pytest.raises(InvalidToken):
                identity.refresh(refresh_token=pair.refresh_token)


class TestForgetExpiredTokens:
    def test_keeps_what_can_still_be_presented(self, identity: Identity) -> None:
        identity.families.save(a_family(text="old", expires_at=NOW - timedelta(seconds=1)))
        identity.families.save(a_family(text="young", expires_at=NOW + timedelta(seconds=1)))
        assert identity.forget() == 1
        assert identity.families.holding(digest_of("young"))


class TestChangeProfile:
    def test_changes_the_name(self, identity: Identity) -> None:
        account = identity.holds(an_account())
        identity.change_profile(account_id=account.id, name="Ada Lovelace")
        assert identity.accounts.get(account.id).name == "Ada Lovelace"


class TestEnsureOperator:
    def test_appoints_one(self, identity: Identity) -> None:
        account = identity.ensure_operator(email="op@example.com", password=PASSWORD, name="Op")
        assert identity.accounts.get(account.id).is_operator
        assert identity.accounts.published == [OperatorAppointed(account_id=account.id, occurred_at=NOW)]

    def test_changes_nothing_a_second_time(self, identity: Identity) -> None:
        first = identity.ensure_operator(email="op@example.com", password=PASSWORD, name="Op")
        tokens = identity.log_in(email="op@example.com", password=PASSWORD)
        second = identity.ensure_operator(email="OP@example.com", password=PASSWORD, name="Op")
        assert (second.id, second.version) == (first.id, first.version)
        assert identity.refresh(refresh_token=tokens.refresh_token).access_token

    def test_sets_the_password_and_ends_the_sessions_when_it_differs(self, identity: Identity) -> None:
        identity.ensure_operator(email="op@example.com", password="another password", name="Op")
        tokens = identity.log_in(email="op@example.com", password="another password")
        identity.ensure_operator(email="op@example.com", password=PASSWORD, name="Op")
        assert identity.log_in(email="op@example.com", password=PASSWORD).access_token
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=tokens.refresh_token)

    def test_does_not_appoint_anybody_with_a_weak_password(self, identity: Identity) -> None:
        with pytest.raises(WeakPassword):
            identity.ensure_operator(email="op@example.com", password="admin", name="Op")


class TestCreateApiKey:
    def test_returns_what_opens_it(self, identity: Identity) -> None:
        created = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        assert identity.authenticate(token=created.token) == Principal(
            kind="key", id=created.key.id, scopes=frozenset({"orders:read"}), expires_at=NOW + YEAR
        )


class TestRevokeApiKey:
    def test_closes_it_at_once(self, identity: Identity) -> None:
        created = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        identity.revoke_key(api_key_id=created.key.id)
        with pytest.raises(InvalidToken):
            identity.authenticate(token=created.token)
        assert isinstance(identity.keys.published[-1], ApiKeyRevoked)

    def test_is_noted_once(self, identity: Identity) -> None:
        created = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        identity.revoke_key(api_key_id=created.key.id)
        identity.revoke_key(api_key_id=created.key.id)
        assert [one.action for one in identity.audit.changes] == ["identity.create_api_key", "identity.revoke_api_key"]


class TestRotateApiKey:
    def test_lets_both_be_good_for_a_while(self, identity: Identity) -> None:
        old = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        identity.clock.move_on(MONTH)
        new = identity.rotate_key(api_key_id=old.key.id, overlap=timedelta(hours=2))
        assert (new.key.name, new.key.scopes, new.key.expires_at) == ("shop", old.key.scopes, NOW + MONTH + YEAR)
        identity.clock.move_on(timedelta(hours=2) - timedelta(seconds=1))
        assert identity.authenticate(token=old.token).scopes == identity.authenticate(token=new.token).scopes
        identity.clock.move_on(timedelta(seconds=1))
        assert identity.authenticate(token=new.token)
        with pytest.raises(InvalidToken):
            identity.authenticate(token=old.token)
        assert identity.audit.changes[-1].after == {
            "expires_at": (NOW + MONTH + timedelta(hours=2)).isoformat(),
            "successor_id": str(new.key.id),
        }

    def test_can_close_the_old_one_at_once(self, identity: Identity) -> None:
        old = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        identity.rotate_key(api_key_id=old.key.id, overlap=timedelta())
        with pytest.raises(InvalidToken):
            identity.authenticate(token=old.token)

    def test_never_prolongs_the_old_one(self, identity: Identity) -> None:
        old = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + timedelta(hours=1))
        identity.rotate_key(api_key_id=old.key.id, overlap=timedelta(days=1))
        assert identity.keys.get(old.key.id).expires_at == NOW + timedelta(hours=1)

    @pytest.mark.parametrize("overlap", [timedelta(seconds=-1), timedelta(days=31)])
    def test_is_refused_with_an_impossible_overlap(self, identity: Identity, overlap: timedelta) -> None:
        old = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        with pytest.raises(InvalidOverlap):
            identity.rotate_key(api_key_id=old.key.id, overlap=overlap)

    def test_is_refused_for_a_key_that_opens_nothing(self, identity: Identity) -> None:
        old = identity.create_key(name="shop", scopes=["orders:read"], expires_at=NOW + YEAR)
        identity.revoke_key(api_key_id=old.key.id)
        with pytest.raises(ApiKeyNotGood):
            identity.rotate_key(api_key_id=old.key.id, overlap=timedelta())


class TestEnsureApiKey:
    def ensure(self, identity: Identity, *, kept: str | None = None, scope: str = "orders:read") -> str:
        return identity.ensure_key(name="demo", scopes=[scope], expires_at=identity.clock() + YEAR, kept=kept)

    def test_keeps_a_good_key(self, identity: Identity) -> None:
        first = self.ensure(identity)
        assert self.ensure(identity, kept=first) == first
        assert len(identity.keys.kept) == 1

    @pytest.mark.parametrize("kept", [None, "", "nonsense", KEY_TEXT])
    def test_replaces_a_key_that_got_lost(self, identity: Identity, kept: str | None) -> None:
        first = self.ensure(identity)
        second = self.ensure(identity, kept=kept)
        assert identity.authenticate(token=second).kind == "key"
        with pytest.raises(InvalidToken):
            identity.authenticate(token=first)

    def test_replaces_a_key_that_ran_out(self, identity: Identity) -> None:
        first = self.ensure(identity)
        identity.clock.move_on(YEAR)
        assert self.ensure(identity, kept=first) != first

    def test_replaces_a_key_with_other_scopes(self, identity: Identity) -> None:
        first = self.ensure(identity)
        assert self.ensure(identity, kept=first, scope="ops:*") != first


class TestAuthenticate:
    def test_knows_a_customer_without_asking_the_accounts(self, identity: Identity) -> None:
        account_id = new_id()
        token = identity.access.issue(account_id=account_id, kind="customer", at=NOW)
        assert identity.authenticate(token=token) == Principal(
            kind="customer", id=account_id, expires_at=NOW + identity.access.lifetime
        )

    def test_gives_superusers_every_ops_scope(self, identity: Identity) -> None:
        tokens = identity.logged_in(is_staff=True, is_superuser=True)
        principal = identity.authenticate(token=tokens.access_token)
        assert (principal.kind, principal.scopes) == ("staff", frozenset({"ops:*"}))

    def test_gives_staff_what_their_roles_grant(self, identity: Identity) -> None:
        tokens = identity.logged_in(is_staff=True)
        assert identity.authenticate(token=tokens.access_token).scopes == frozenset()
        (account_id,) = identity.accounts.kept
        identity.staff.roles[account_id] = frozenset({"viewer", "gardener"})
        assert identity.authenticate(token=tokens.access_token).scopes == frozenset({"ops:*:read"})

    @pytest.mark.parametrize("change", [{"is_active": False}, {"is_staff": False}])
    def test_refuses_staff_from_the_moment_of_dismissal(self, identity: Identity, change: dict[str, bool]) -> None:
        account = an_account(**{"is_staff": True} | change)
        identity.holds(account)
        token = identity.access.issue(account_id=account.id, kind="staff", at=NOW)
        with pytest.raises(InvalidToken):
            identity.authenticate(token=token)

    def test_refuses_an_access_token_that_ran_out(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        identity.clock.move_on(timedelta(minutes=15))
        with pytest.raises(InvalidToken):
            identity.authenticate(token=tokens.access_token)

    @pytest.mark.parametrize("token", ["", "nonsense", "ok_", KEY_TEXT])
    def test_refuses_what_was_never_issued(self, identity: Identity, token: str) -> None:
        with pytest.raises(InvalidToken):
            identity.authenticate(token=token)

    def test_notes_the_use_of_a_key_once_a_minute(self, identity: Identity) -> None:
        identity.keys.add(a_key())
        for _ in range(3):
            identity.authenticate(token=KEY_TEXT)
        identity.clock.move_on(timedelta(minutes=1))
        identity.authenticate(token=KEY_TEXT)
        assert identity.keys.noted == 2
