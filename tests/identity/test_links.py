"""Mailed links: who gets one, what it is good for, and that it is good once."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client, override_settings
from django.utils import timezone

from contexts.identity.domain import Email, InvalidCredentials, InvalidLink, InvalidToken, LinkPurpose, WeakPassword
from contexts.identity.events import EmailVerified, PasswordChanged
from contexts.identity.gateways import DjangoMailer, MailNotAccepted, SignedLinks
from contexts.identity.models import AccountRow, LinkRequestRow
from contexts.identity.ports import LinkRequests, Links
from contexts.identity.repositories import DjangoAccounts, DjangoLinkRequests
from contexts.identity.wiring import forget_link_requests, issue_tokens, refresh_tokens, reset_password
from shared.domain.errors import ExternalAPIError
from shared.outbox.messages import history_of
from shared.outbox.models import OutboxMessageRow
from shared.persistence.identifiers import new_id
from shared.persistence.unit_of_work import atomic
from shared.resilience.guard import CalledInsideTransaction
from shared.saga.models import SagaRow
from shared.saga.runner import advance
from tests.identity.builders import NOW, PASSWORD, a_link_request, an_account, an_account_row
from tests.identity.fakes import InMemoryLinkRequests, PlainLinks
from tests.identity.world import Identity

NEXT_PASSWORD = "staple battery horse"
VERIFY, RESET = LinkPurpose.VERIFY_EMAIL, LinkPurpose.RESET_PASSWORD
both_purposes = pytest.mark.parametrize("purpose", list(LinkPurpose))


class TestRegistration:
    def test_mails_a_link_that_proves_the_address(self, identity: Identity) -> None:
        account = identity.register(email="ada@example.com", password=PASSWORD, name="Ada")
        (said,) = identity.mail_all()
        assert said["link"] == f"https://shop.example/verify_email#token={said['token']}"
        identity.confirm_email(token=said["token"])
        assert identity.accounts.kept[account.id].email_verified_at == NOW
        assert EmailVerified(account_id=account.id, occurred_at=NOW) in identity.accounts.published


class TestRequestLink:
    @both_purposes
    def test_does_not_look_for_an_account(self, identity: Identity, purpose: LinkPurpose) -> None:
        identity.request_link(email="Nobody@Example.com", purpose=purpose)
        assert [one.email.text for one in identity.link_requests.kept.values()] == ["nobody@example.com"]
        assert identity.mail_all() == []

    def test_mails_nothing_where_it_is_of_no_use(self, identity: Identity) -> None:
        identity.holds(an_account(is_active=False))
        identity.holds(an_account(email=Email.parse("bob@example.com"), email_verified_at=NOW))
        identity.request_link(email="ada@example.com", purpose=RESET)
        identity.request_link(email="bob@example.com", purpose=VERIFY)
        assert identity.mail_all() == []

    def test_mails_five_in_an_hour_to_one_address(self, identity: Identity) -> None:
        identity.holds(an_account())
        for _ in range(8):
            identity.clock.move_on(timedelta(minutes=1))
            identity.request_link(email="ada@example.com", purpose=RESET)
        assert len(identity.mail_all()) == 5
        identity.clock.move_on(timedelta(hours=1))
        identity.request_link(email="ada@example.com", purpose=RESET)
        assert len(identity.mail_all()) == 1

    def test_can_be_tried_again_while_the_mail_server_is_down(self, identity: Identity) -> None:
        identity.holds(an_account())
        identity.request_link(email="ada@example.com", purpose=RESET)
        identity.mailbox.is_down = True
        with pytest.raises(ExternalAPIError):
            identity.mail_all()
        identity.mailbox.is_down = False
        assert len(identity.mail_all()) == 1


class TestResetPassword:
    def reset_link(self, identity: Identity) -> str:
        identity.request_link(email="ada@example.com", purpose=RESET)
        (said,) = identity.mail_all()
        return said["token"]

    def test_takes_the_new_password_and_ends_all_sessions(self, identity: Identity) -> None:
        tokens = identity.logged_in()
        identity.reset_password(token=self.reset_link(identity), password=NEXT_PASSWORD)
        with pytest.raises(InvalidToken):
            identity.refresh(refresh_token=tokens.refresh_token)
        with pytest.raises(InvalidCredentials):
            identity.log_in(email="ada@example.com", password=PASSWORD)
        assert identity.log_in(email="ada@example.com", password=NEXT_PASSWORD)
        assert [type(one) for one in identity.accounts.published] == [PasswordChanged, EmailVerified]

    def test_is_refused_the_second_time(self, identity: Identity) -> None:
        identity.logged_in()
        token = self.reset_link(identity)
        identity.reset_password(token=token, password=NEXT_PASSWORD)
        with pytest.raises(InvalidLink, match="ask for a new one"):
            identity.reset_password(token=token, password="another battery horse")

    def test_is_refused_with_a_weak_password_and_the_link_stays_good(self, identity: Identity) -> None:
        identity.logged_in()
        token = self.reset_link(identity)
        with pytest.raises(WeakPassword):
            identity.reset_password(token=token, password="short")
        identity.reset_password(token=token, password=NEXT_PASSWORD)

    def test_is_refused_after_an_hour_and_with_a_link_for_something_else(self, identity: Identity) -> None:
        account = identity.register(email="ada@example.com", password=PASSWORD, name="Ada")
        (verification,) = identity.mail_all()
        with pytest.raises(InvalidLink):
            identity.reset_password(token=verification["token"], password=NEXT_PASSWORD)
        token = self.reset_link(identity)
        identity.clock.move_on(timedelta(hours=1))
        with pytest.raises(InvalidLink):
            identity.reset_password(token=token, password=NEXT_PASSWORD)
        assert identity.accounts.kept[account.id].password_hash == f"plain:{PASSWORD}"

    def test_is_refused_once_the_account_is_deactivated(self, identity: Identity) -> None:
        identity.logged_in()
        token = self.reset_link(identity)
        identity.deactivate(next(iter(identity.accounts.kept)))
        with pytest.raises(InvalidLink):
            identity.reset_password(token=token, password=NEXT_PASSWORD)


class TestForgetLinkRequests:
    def test_forgets_them_after_a_day(self, identity: Identity) -> None:
        identity.request_link(email="ada@example.com", purpose=RESET)
        identity.clock.move_on(timedelta(days=1))
        assert identity.forget_link_requests() == 0
        identity.clock.move_on(timedelta(seconds=1))
        assert identity.forget_link_requests() == 1


class TestLinks:
    @pytest.fixture(params=[PlainLinks, SignedLinks])
    def links(self, request: pytest.FixtureRequest) -> Links:
        made: Links = request.param()
        return made

    @both_purposes
    def test_say_whose_they_are(self, links: Links, purpose: LinkPurpose) -> None:
        account = an_account()
        link = links.read(links.make(purpose, account=account, at=NOW), purpose=purpose, at=NOW)
        assert (link.account_id, link.mark) == (account.id, links.mark_of(purpose, account=account))

    @both_purposes
    def test_expire(self, links: Links, purpose: LinkPurpose) -> None:
        token = links.make(purpose, account=an_account(), at=NOW)
        assert links.read(token, purpose=purpose, at=NOW + purpose.lifetime - timedelta(seconds=1))
        with pytest.raises(InvalidLink):
            links.read(token, purpose=purpose, at=NOW + purpose.lifetime)

    def test_are_good_for_one_purpose(self, links: Links) -> None:
        with pytest.raises(InvalidLink):
            links.read(links.make(VERIFY, account=an_account(), at=NOW), purpose=RESET, at=NOW)

    @pytest.mark.parametrize("token", ["", "x", "a:b:c", "é", "W10:x", "x" * 2000])
    def test_are_not_to_be_made_up(self, links: Links, token: str) -> None:
        with pytest.raises(InvalidLink):
            links.read(token, purpose=RESET, at=NOW)

    def test_have_another_mark_once_they_are_used(self, links: Links) -> None:
        account = an_account()
        before = [links.mark_of(purpose, account=account) for purpose in LinkPurpose]
        account.change_password(password_hash="another", at=NOW)
        account.verify_email(at=NOW)
        assert not set(before) & {links.mark_of(purpose, account=account) for purpose in LinkPurpose}


class TestSignedLinks:
    def test_carry_no_personal_data(self) -> None:
        token = SignedLinks().make(RESET, account=an_account(), at=NOW)
        assert "ada" not in token.lower()
        assert len(token) < 300

    def test_are_refused_when_one_character_is_changed(self) -> None:
        token = SignedLinks().make(RESET, account=an_account(), at=NOW)
        for place in range(len(token)):
            forged = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
            if place != len(token) - 1:  # the last character of base64 has bits to spare
                with pytest.raises(InvalidLink):
                    SignedLinks().read(forged, purpose=RESET, at=NOW)


class TestLinkRequests:
    @pytest.fixture(params=["memory", "postgresql"])
    def requests(self, request: pytest.FixtureRequest) -> LinkRequests:
        if request.param == "memory":
            return InMemoryLinkRequests()
        request.getfixturevalue("db")
        return DjangoLinkRequests()

    def test_are_found_as_they_were_added(self, requests: LinkRequests) -> None:
        wish = a_link_request()
        requests.add(wish)
        assert requests.find(wish.id) == wish
        assert requests.find(new_id()) is None

    def test_are_counted_by_address_purpose_and_time(self, requests: LinkRequests) -> None:
        for minutes in (-61, -60, -30, 0, 5):
            requests.add(a_link_request(asked_at=NOW + timedelta(minutes=minutes)))
        requests.add(a_link_request(purpose=VERIFY, asked_at=NOW - timedelta(minutes=1)))
        requests.add(a_link_request(email=Email("bob@example.com"), asked_at=NOW - timedelta(minutes=1)))
        assert requests.earlier_than(a_link_request(), since=NOW - timedelta(hours=1)) == 2

    def test_are_forgotten_by_their_age(self, requests: LinkRequests) -> None:
        old, young = a_link_request(asked_at=NOW - timedelta(seconds=1)), a_link_request()
        requests.add(old)
        requests.add(young)
        assert requests.forget(before=NOW) == 1
        assert (requests.find(old.id), requests.find(young.id)) == (None, young)


def post(client: Client, path: str, body: Any) -> Any:
    return client.post(f"/api/v1/auth/{path}", body, content_type="application/json")


def mail_out() -> None:
    """Run every process that is about a mail, as a worker would."""
    for row in SagaRow.objects.filter(name="identity.mailing_link", status="running"):
        advance(row.id)


def mailed_token() -> str:
    found = re.search(r"#token=(\S+)", str(mail.outbox[-1].body))
    assert found
    return found[1]


@pytest.mark.django_db
class TestOverHttp:
    def test_an_address_is_proved_by_the_mailed_link(self, client: Client) -> None:
        client.post(
            "/api/v1/customers",
            {"email": "ada@example.com", "password": PASSWORD, "name": "Ada <b>"},
            content_type="application/json",
        )
        mail_out()
        (message,) = mail.outbox
        assert message.to == ["ada@example.com"]
        assert message.subject == "Please confirm your e-mail address"
        assert "http://localhost:8000/verify-email#token=" in str(message.body)
        assert "Ada" not in str(message.body)  # or anybody could have us mail what they like to whom they like
        token = mailed_token()
        assert post(client, "email-verification/confirm", {"token": token}).status_code == 204
        assert AccountRow.objects.get().email_verified_at is not None
        again = post(client, "email-verification/confirm", {"token": token})
        assert (again.status_code, again.json()["code"]) == (422, "invalid_link")
        assert again.json()["errors"][0]["pointer"] == "/token"

    def test_a_password_is_reset_by_the_mailed_link(self, client: Client) -> None:
        row = an_account_row(email="ada@example.com")
        assert post(client, "password-reset", {"email": "ADA@example.com"}).status_code == 202
        mail_out()
        token = mailed_token()
        weak = post(client, "password-reset/confirm", {"token": token, "password": "short"})
        assert (weak.status_code, weak.json()["code"]) == (422, "weak_password")
        assert weak.json()["errors"][0]["pointer"] == "/password"
        done = post(client, "password-reset/confirm", {"token": token, "password": NEXT_PASSWORD})
        assert (done.status_code, done.content) == (204, b"")
        row.refresh_from_db()
        assert row.check_password(NEXT_PASSWORD)

    @pytest.mark.parametrize("path", ["password-reset", "email-verification"])
    def test_the_answer_and_the_work_are_the_same_for_strangers(
        self, client: Client, path: str, django_assert_num_queries: Any
    ) -> None:
        an_account_row(email="ada@example.com")
        answers = []
        for email in ("ada@example.com", "nobody@example.com"):
            with django_assert_num_queries(4):  # begin, the wish, its process, commit
                answers.append(post(client, path, {"email": email}))
        known, unknown = answers
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, b"")
        assert {name for name, _ in known.items()} == {name for name, _ in unknown.items()}

    @pytest.mark.parametrize("path", ["password-reset", "email-verification"])
    def test_an_impossible_address_is_refused(self, client: Client, path: str) -> None:
        response = post(client, path, {"email": "nonsense"})
        assert (response.status_code, response.json()["code"]) == (422, "invalid_email")

    def test_nothing_personal_or_secret_is_in_events_and_processes(self, client: Client) -> None:
        an_account_row(email="ada@example.com")
        post(client, "password-reset", {"email": "ada@example.com"})
        mail_out()
        token = mailed_token()
        post(client, "password-reset/confirm", {"token": token, "password": NEXT_PASSWORD})
        kept = str(list(OutboxMessageRow.objects.values())) + str(list(SagaRow.objects.values()))
        assert "password_changed" in kept
        assert "ada@" not in kept
        assert token not in kept

    def test_wishes_are_deleted_after_a_day(self) -> None:
        DjangoLinkRequests().add(a_link_request(asked_at=timezone.now() - timedelta(days=2)))
        assert forget_link_requests() == 1
        assert not LinkRequestRow.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestParallelReset:
    def test_lets_one_through(self) -> None:
        row = an_account_row()
        account = DjangoAccounts().find(row.pk)
        assert account
        token = SignedLinks().make(RESET, account=account, at=timezone.now())
        session = issue_tokens(email=row.email, password=PASSWORD, address="127.0.0.1")
        together = Barrier(4)

        def reset(number: int) -> bool:
            connection.ensure_connection()
            together.wait()
            try:
                reset_password(token=token, password=f"{NEXT_PASSWORD} {number}")
            except InvalidLink:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(reset, range(4))) == [False, False, False, True]
        assert [one.topic for one in history_of(row.pk)].count("identity.password_changed.v1") == 1
        with pytest.raises(InvalidToken):
            refresh_tokens(refresh_token=session.refresh_token)


class TestDjangoMailer:
    def send(self) -> None:
        DjangoMailer().send(RESET, to=Email("ada@example.com"), values={"link": "https://x/?a&b"}, key="key1")

    def test_names_the_mail_by_its_key(self) -> None:
        self.send()
        (message,) = mail.outbox
        assert message.extra_headers["Message-ID"] == "<key1@localhost>"
        assert message.subject == "Choose a new password"
        assert "https://x/?a&b" in str(message.body)

    @override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST="127.0.0.1", EMAIL_PORT=9
    )
    def test_says_that_it_is_to_be_tried_again_without_naming_the_address(self) -> None:
        with pytest.raises(MailNotAccepted) as failure:
            self.send()
        assert failure.value.__cause__ is None
        assert "ada" not in str(failure.value)

    @pytest.mark.django_db
    def test_never_calls_out_inside_a_transaction(self) -> None:
        with pytest.raises(CalledInsideTransaction), atomic():
            self.send()
