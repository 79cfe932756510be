"""URLs that others choose lead to public addresses, and to the one that was checked."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx2
import pytest
from django.db import transaction

from shared.http.problems import problem_of
from shared.resilience.addresses import is_public
from shared.resilience.guard import CalledInsideTransaction
from shared.resilience.outbound import LONGEST_ANSWER, AnswerTooLong, Outbound, UrlNotAllowed
from shared.resilience.policy import Timeout
from tests.shared.receivers import Receiver, a_receiver

NAME = "hooks.example"
PUBLIC = "93.184.215.14"
SOON = Timeout(connect=2.0, answer=5.0)

Get = Callable[[Outbound, str, Receiver], httpx2.Response]


def answers(*addresses: str) -> Callable[[str], Sequence[str]]:
    """Return a resolver that always says the same."""
    return lambda _: addresses


class Rebinding:
    """A resolver that says something else each time, and the last forever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.questions = 0

    def __call__(self, name: str) -> Sequence[str]:
        self.questions += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def get(policy: Outbound, url: str, receiver: Receiver) -> httpx2.Response:
    """Send a GET."""
    with policy.client(timeout=SOON, at_most=2, verify=receiver.trust) as client:
        return client.get(url)


def get_in_a_coroutine(policy: Outbound, url: str, receiver: Receiver) -> httpx2.Response:
    """Send a GET from a coroutine."""

    async def run() -> httpx2.Response:
        async with policy.async_client(timeout=SOON, at_most=2, verify=receiver.trust) as client:
            return await client.get(url)

    return asyncio.run(run())


both = pytest.mark.parametrize("get", [get, get_in_a_coroutine], ids=["sync", "async"])


@pytest.fixture
def receiver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """Run a receiver on this machine, on a port that URLs may name."""
    with a_receiver(tmp_path, name=NAME) as running:
        monkeypatch.setattr("shared.resilience.outbound.PORTS", frozenset({running.port}))
        yield running


class TestAddresses:
    @pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "2606:4700:4700::1111", "2a00:1450:4001:82a::200e"])
    def test_of_the_internet_are_public(self, address: str) -> None:
        assert is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            *("0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.254", "172.16.0.1", "172.31.255.255"),  # noqa: S104 - compared, not bound
            *("192.0.0.8", "192.168.1.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.255.255.250", "240.0.0.1"),
            *("255.255.255.255", "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
            *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", f"::ffff:{PUBLIC}"),
            *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:4136:e378::1"),
            *("fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "2001:db8::1", "3fff::1"),
            *("5f00::1", "100::1", "localhost", "", "2130706433", "0x7f000001", "127.1"),
        ],
    )
    def test_of_this_machine_its_network_and_its_cloud_are_not(self, address: str) -> None:
        assert not is_public(address)


class TestCheck:
    @pytest.mark.parametrize(
        "url",
        [f"https://{NAME}/orders?a=b", f"https://{NAME}:8443/", f"HTTPS://{NAME.upper()}:443", f"https://{PUBLIC}/"],
    )
    def test_allows_https_to_public_addresses(self, url: str) -> None:
        Outbound(resolve=answers(PUBLIC, "2606:4700:4700::1111")).check(url)

    @pytest.mark.parametrize(
        "url",
        [
            *(f"http://{NAME}/", f"ftp://{NAME}/", f"//{NAME}/", NAME, "", "https://", "file:///etc/passwd"),
            *(f"https://{NAME}:22/", f"https://{NAME}:80/", f"https://{NAME}:0/", "gopher://x/_"),
            *(f"https://user@{NAME}/", f"https://user:pass@{NAME}/", f"https://{NAME}/{'a' * 2048}"),
            *(f"https://{NAME}\r\nX: y/", "https://[::1/", "http://localhost:8000/"),
        ],
    )  # fmt: skip
    def test_refuses_other_urls_wherever_they_lead(self, url: str) -> None:
        with pytest.raises(UrlNotAllowed):
            Outbound(resolve=answers(PUBLIC)).check(url)

    @pytest.mark.parametrize(
        "host",
        ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"],
    )
    def test_refuses_loopback_however_it_is_spelt(self, host: str) -> None:
        with pytest.raises(UrlNotAllowed):
            Outbound().check(f"https://{host}/")

    @pytest.mark.parametrize("addresses", [(), ("10.0.0.1",), (PUBLIC, "10.0.0.1"), ("10.0.0.1", PUBLIC)])
    def test_refuses_a_name_unless_all_its_addresses_are_public(self, addresses: tuple[str, ...]) -> None:
        with pytest.raises(UrlNotAllowed):
            Outbound(resolve=answers(*addresses)).check(f"https://{NAME}/")

    def test_refuses_a_name_that_nobody_knows(self) -> None:
        with pytest.raises(UrlNotAllowed):
            Outbound().check("https://no-such-name.invalid/")

    def test_refuses_a_name_whose_resolver_is_slow(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shared.resilience.outbound.RESOLVED_WITHIN", 0.01)
        answered = threading.Event()

        def slowly(_: str) -> Sequence[str]:
            answered.wait(10)
            return (PUBLIC,)

        with pytest.raises(UrlNotAllowed):
            Outbound(resolve=slowly).check(f"https://{NAME}/")
        answered.set()

    @pytest.mark.parametrize(
        "url", ["http://localhost:8000/", "http://127.0.0.1:1/", "http://[::1]:9000/x", "https://localhost:8443/"]
    )
    def test_allows_loopback_in_development_only(self, url: str) -> None:
        Outbound(allows_loopback=True).check(url)

    @pytest.mark.parametrize(
        "url", ["http://10.0.0.1/", f"http://{NAME}/", "https://10.0.0.1/", "https://169.254.169.254/"]
    )
    def test_allows_nothing_else_in_development(self, url: str) -> None:
        with pytest.raises(UrlNotAllowed):
            Outbound(allows_loopback=True).check(url)

    def test_is_told_to_the_client_as_422(self) -> None:
        problem = problem_of(UrlNotAllowed())

        assert (problem.status, problem.code) == (422, "url_not_allowed")
        assert [error["pointer"] for error in problem.errors] == ["/url"]

    @pytest.mark.django_db(transaction=True)
    def test_does_not_ask_the_resolver_inside_a_transaction(self) -> None:
        with pytest.raises(CalledInsideTransaction), transaction.atomic():
            Outbound(resolve=answers(PUBLIC)).check(f"https://{NAME}/")


@both
class TestClient:
    def test_keeps_the_name_in_certificate_and_host(self, get: Get, receiver: Receiver) -> None:
        policy = Outbound(allows_loopback=True, resolve=answers("127.0.0.1"))
        answer = get(policy, f"https://{NAME}:{receiver.port}/", receiver)

        assert (answer.status_code, answer.content) == (200, b"thanks")
        assert receiver.hosts == [f"{NAME}:{receiver.port}"]
        assert receiver.names_in_hello == [NAME]

    def test_refuses_a_certificate_of_another_name(self, get: Get, receiver: Receiver) -> None:
        policy = Outbound(allows_loopback=True, resolve=answers("127.0.0.1"))
        with pytest.raises(httpx2.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            get(policy, f"https://other.example:{receiver.port}/", receiver)
        assert receiver.hosts == []

    def test_refuses_a_name_that_has_turned_to_this_machine_since_it_was_checked(
        self, get: Get, receiver: Receiver
    ) -> None:
        resolver = Rebinding([PUBLIC], ["127.0.0.1"])
        policy, url = Outbound(resolve=resolver), f"https://{NAME}:{receiver.port}/"
        policy.check(url)
        with pytest.raises(UrlNotAllowed):
            get(policy, url, receiver)
        assert resolver.questions == 2
        assert receiver.names_in_hello == []

    def test_goes_to_the_address_that_was_checked_and_asks_no_second_time(self, get: Get, receiver: Receiver) -> None:
        resolver = Rebinding(["127.0.0.1"], ["10.0.0.1"])
        policy = Outbound(allows_loopback=True, resolve=resolver)

        assert get(policy, f"https://{NAME}:{receiver.port}/", receiver).status_code == 200
        assert resolver.questions == 1

    def test_refuses_this_machine_by_address(self, get: Get, receiver: Receiver) -> None:
        with pytest.raises(UrlNotAllowed):
            get(Outbound(), f"https://127.0.0.1:{receiver.port}/", receiver)
        assert receiver.names_in_hello == []

    def test_refuses_a_form_that_was_never_checked(self, get: Get, receiver: Receiver) -> None:
        with pytest.raises(UrlNotAllowed):
            get(Outbound(resolve=answers(PUBLIC)), f"http://{NAME}/", receiver)

    def test_follows_no_redirect(self, get: Get, receiver: Receiver) -> None:
        receiver.status, receiver.headers = 302, {"Location": "https://169.254.169.254/latest/meta-data/"}
        policy = Outbound(allows_loopback=True, resolve=answers("127.0.0.1"))

        assert get(policy, f"https://{NAME}:{receiver.port}/", receiver).status_code == 302

    def test_asks_no_proxy_of_the_environment(
        self, get: Get, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:9")
        policy = Outbound(allows_loopback=True, resolve=answers("127.0.0.1"))

        assert get(policy, f"https://{NAME}:{receiver.port}/", receiver).status_code == 200

    def test_tries_the_next_address_when_one_does_not_answer(self, get: Get, receiver: Receiver) -> None:
        policy = Outbound(allows_loopback=True, resolve=answers("::1", "127.0.0.2", "127.0.0.1"))

        assert get(policy, f"https://{NAME}:{receiver.port}/", receiver).status_code == 200

    def test_says_that_nothing_was_sent_when_the_name_does_not_resolve(self, get: Get, receiver: Receiver) -> None:
        def nobody_knows(_: str) -> Sequence[str]:
            raise OSError("no such name")

        with pytest.raises(httpx2.ConnectError):
            get(Outbound(resolve=nobody_knows), f"https://{NAME}:{receiver.port}/", receiver)

    def test_says_that_nothing_was_sent_when_the_resolver_is_slow(
        self, get: Get, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(f"{__name__}.SOON", Timeout(connect=0.01))
        answered = threading.Event()

        def slowly(_: str) -> Sequence[str]:
            answered.wait(10)
            return (PUBLIC,)

        with pytest.raises(httpx2.ConnectTimeout):
            get(Outbound(resolve=slowly), f"https://{NAME}:{receiver.port}/", receiver)
        answered.set()

    def test_reads_a_bounded_part_of_an_answer(self, get: Get, receiver: Receiver) -> None:
        receiver.body = b"x" * (LONGEST_ANSWER + 1)
        policy = Outbound(allows_loopback=True, resolve=answers("127.0.0.1"))
        with pytest.raises(AnswerTooLong):
            get(policy, f"https://{NAME}:{receiver.port}/", receiver)

    def test_inflates_nothing(self, get: Get, receiver: Receiver) -> None:
        receiver.headers, receiver.body = {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 10_000_000)
        policy = Outbound(allows_loopback=True, resolve=answers("127.0.0.1"))

        assert get(policy, f"https://{NAME}:{receiver.port}/", receiver).content == receiver.body


class TestSettings:
    def test_allow_loopback_in_development_and_never_in_production(self) -> None:
        from config.settings import base, dev

        assert base.OUTBOUND_TO_LOOPBACK is False
        assert dev.OUTBOUND_TO_LOOPBACK is True
