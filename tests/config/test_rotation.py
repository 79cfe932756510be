"""Keys are exchanged without anybody noticing, and are worth nothing once they are gone."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from contexts.identity.domain import InvalidLink, InvalidToken, LinkPurpose
from contexts.identity.gateways import SignedAccessTokens, SignedLinks
from tests.architecture.test_settings import SECRETS, run
from tests.identity.builders import an_account, an_account_row

OLD, NEW = "first-key-" + "0" * 50, "second-key-" + "1" * 50
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestSecretKey:
    @pytest.mark.django_db
    def test_keeps_sessions_while_the_former_one_is_listed(self, settings: Settings) -> None:
        settings.SECRET_KEY = OLD
        client = Client()
        client.force_login(an_account_row(operator=True))

        def status() -> int:
            return client.get("/api/ops/v1/stock-items").status_code

        assert status() == 200
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
        assert status() == 200
        settings.SECRET_KEY_FALLBACKS = []
        assert status() == 200  # it was signed anew at the last request

    @pytest.mark.django_db
    def test_ends_sessions_that_nobody_renewed_in_time(self, settings: Settings) -> None:
        settings.SECRET_KEY = OLD
        client = Client()
        client.force_login(an_account_row(operator=True))
        settings.SECRET_KEY = NEW

        assert client.get("/api/ops/v1/stock-items").status_code == 401

    @pytest.mark.parametrize("purpose", LinkPurpose)
    def test_keeps_mailed_links_while_the_former_one_is_listed(self, settings: Settings, purpose: LinkPurpose) -> None:
        settings.SECRET_KEY = OLD
        links, account = SignedLinks(), an_account()
        token = links.make(purpose, account=account, at=NOW)

        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEW, [OLD]
        link = links.read(token, purpose=purpose, at=NOW)
        assert (link.account_id, link.mark) == (account.id, links.mark_of(purpose, account=account))

        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(InvalidLink):
            links.read(token, purpose=purpose, at=NOW)

    def test_and_its_fallbacks_come_from_the_environment(self) -> None:
        show = "from config.settings import production as p; print(len(p.SECRET_KEY_FALLBACKS))"
        assert run(show, {**SECRETS, "SECRET_KEY_FALLBACKS": f"{OLD}, {NEW}"}).stdout.strip() == "2"
        refused = run(show, {**SECRETS, "SECRET_KEY_FALLBACKS": f"{OLD},short-must-stay-hidden"})
        assert "SECRET_KEY_FALLBACKS" in refused.stderr
        assert "must-stay-hidden" not in refused.stderr


class TestSigningKeys:
    def test_are_two_at_once_while_they_are_exchanged(self) -> None:
        old, new = "11" * 32, "22" * 32
        before, between, after = (
            SignedAccessTokens(seeds=seeds, lifetime=timedelta(minutes=15)) for seeds in ([old], [new, old], [new])
        )
        account_id = uuid4()
        of_old = before.issue(account_id=account_id, kind="customer", at=NOW)
        of_new = between.issue(account_id=account_id, kind="customer", at=NOW)

        assert jwt.get_unverified_header(of_old)["kid"] != jwt.get_unverified_header(of_new)["kid"]
        assert {between.read(token, at=NOW).account_id for token in (of_old, of_new)} == {account_id}
        assert after.read(of_new, at=NOW).account_id == account_id
        for reader, token in ((after, of_old), (before, of_new)):
            with pytest.raises(InvalidToken):
                reader.read(token, at=NOW)
