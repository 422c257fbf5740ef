"""No webhook reaches what it may not: decided on the address that is connected to."""

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
import trustme

from flow_forecaster.services.addresses import AddressPolicy, networks_of
from flow_forecaster.services.targets import InvalidTarget, Target, parse_target
from flow_forecaster.workers.dialing import MOST_ADDRESSES, CannotDial, Dialer, SystemResolver, trusting
from workers.hostile_urls import LOOPBACK_HOSTS, RESOLVED, urls
from workers.receivers import OK, Receiver, courier, post, receiver

NAME = "receiver.example"
EVERYWHERE = networks_of("0.0.0.0/0,::/0")


@dataclass(slots=True, kw_only=True)
class ScriptedResolver:
    """A name server of the attacker: each question has its own answer, the last one for ever."""

    answers: list[list[str]]
    asked: int = 0

    async def addresses(self, _host: str, _port: int) -> Sequence[str]:
        """Answer."""
        self.asked += 1
        return self.answers[min(self.asked, len(self.answers)) - 1]


@dataclass(slots=True, kw_only=True)
class SlowResolver:
    """A name server that never answers."""

    waiting: asyncio.Event = field(default_factory=asyncio.Event)

    async def addresses(self, _host: str, _port: int) -> Sequence[str]:
        """Wait for ever."""
        await self.waiting.wait()
        return []


@pytest.fixture
async def canary() -> AsyncIterator[Receiver]:
    """A listener on every address of this machine that nothing may reach."""
    async with receiver(hosts=("0.0.0.0", "::")) as listening:  # noqa: S104 - to hear whatever knocks anywhere
        yield listening


def only_the_table(port: int, networks: str = "") -> AddressPolicy:
    """A policy in which nothing but the table of addresses stands before the canary."""
    return AddressPolicy(ports=frozenset({port, 80, 443}), networks=networks_of(networks), plain_http=True)


async def test_no_notation_of_an_address_reaches_the_canary(canary: Receiver) -> None:
    forms = list(dict.fromkeys(urls(canary.port)))
    assert len(forms) >= 150
    refused = 0
    async with courier(only_the_table(canary.port)) as sender:
        for form in forms:
            try:
                answer = await post(form, courier=sender)
            except InvalidTarget:
                refused += 1
            else:
                assert answer.error in {"address_blocked", "name_not_resolved"}, form
    assert canary.connections == 0
    assert 100 < refused < len(forms)


async def test_no_notation_reaches_the_canary_though_nobody_had_read_the_url(canary: Receiver) -> None:
    """The lock at dial time holds alone: hosts go to the resolver as they are written."""
    answers = await _dialed(canary, only_the_table(canary.port))
    assert {answer for answer in answers.values() if answer not in {"address_blocked", "name_not_resolved"}} == set()
    assert canary.connections == 0


async def test_without_the_table_these_notations_do_reach_the_canary(canary: Receiver) -> None:
    everything = AddressPolicy(ports=frozenset({canary.port}), networks=EVERYWHERE, plain_http=True)
    answers = await _dialed(canary, everything)
    reached = [host for host, answer in answers.items() if answer == "connected"]
    assert canary.connections == len(reached) > 50


async def _dialed(canary: Receiver, policy: AddressPolicy) -> dict[str, str]:
    """Dial every host as it is written, and note what came of it."""
    resolver, answers = SystemResolver(threads=2), {}
    dialer = Dialer(policy=policy, resolver=resolver, tls=trusting())
    for host in LOOPBACK_HOSTS:
        target = Target(scheme="http", host=host.strip("[]"), port=canary.port, path="/")
        try:
            line = await asyncio.wait_for(dialer.dial(target), 0.5)
        except CannotDial as error:
            answers[host] = error.code
        except TimeoutError:
            answers[host] = "timed_out"
        else:
            answers[host] = "connected"
            line.hang_up()
            await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    resolver.close()
    return answers


@pytest.mark.parametrize("address", RESOLVED)
async def test_whatever_a_name_server_answers_is_checked(canary: Receiver, address: str) -> None:
    for answer in ([address], ["1.1.1.1", address], [address, "1.1.1.1"]):
        resolver = ScriptedResolver(answers=[answer])
        async with courier(only_the_table(canary.port), resolver=resolver) as sender:
            found = await post(f"http://{NAME}:{canary.port}/", courier=sender)
        assert (found.status, found.error) == (None, "address_blocked")
    assert canary.connections == 0


async def test_a_name_that_moves_after_it_was_checked_is_not_followed() -> None:
    async with receiver(hosts=("127.0.0.1",)) as canary:
        resolver = ScriptedResolver(answers=[["127.0.0.2"], ["127.0.0.1"]])
        policy = only_the_table(canary.port, "127.0.0.2/32")
        async with courier(policy, resolver=resolver) as sender:
            first = await post(f"http://{NAME}:{canary.port}/", courier=sender)
            second = await post(f"http://{NAME}:{canary.port}/", courier=sender)
        assert (first.error, second.error) == ("not_connected", "address_blocked")
        assert resolver.asked == 2
        assert canary.connections == 0


async def test_the_connection_goes_to_the_address_that_was_checked() -> None:
    async with receiver(hosts=("127.0.0.2",)) as listening:
        resolver = ScriptedResolver(answers=[["127.0.0.2"], ["127.0.0.1"]])
        async with courier(only_the_table(listening.port, "127.0.0.2/32"), resolver=resolver) as sender:
            assert (await post(f"http://{NAME}:{listening.port}/", courier=sender)).status == 200
        assert f"host: {NAME}:{listening.port}".encode() in listening.requests[0].lower()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    async with receiver(hosts=("127.0.0.1",)) as canary:
        location = f"HTTP/1.1 {status} Moved\r\nLocation: {canary.url()}\r\nRefresh: 0; url={canary.url()}\r\n"
        async with receiver(f"{location}Content-Length: 0\r\n\r\n".encode(), hosts=("127.0.0.2",)) as listening:
            policy = AddressPolicy(
                ports=frozenset({listening.port, canary.port}), networks=networks_of("127.0.0.2/32"), plain_http=True
            )
            async with courier(policy) as sender:
                answer = await post(listening.url(host="127.0.0.2"), courier=sender)
        assert answer.status == status
        assert canary.connections == 0


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiver() as proxy, receiver() as listening:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url(""))
        assert os.environ["http_proxy"]
        async with courier() as sender:
            assert (await post(listening.url(), courier=sender)).status == 200
        assert (proxy.connections, listening.connections) == (0, 1)


async def test_a_second_address_is_tried_and_a_hundredth_is_not() -> None:
    async with receiver(hosts=("127.0.0.1",)) as listening:
        url = f"http://{NAME}:{listening.port}/"
        tried = {
            200: ["127.0.0.9", "127.0.0.1"],
            None: ["127.0.0.9", "127.0.0.8", "127.0.0.7", "127.0.0.1"],
        }
        for status, addresses in tried.items():
            async with courier(resolver=ScriptedResolver(answers=[addresses])) as sender:
                assert (await post(url, courier=sender)).status == status
        many = [f"127.0.0.{number + 1}" for number in range(MOST_ADDRESSES + 1)]
        async with courier(resolver=ScriptedResolver(answers=[many])) as sender:
            assert (await post(url, courier=sender)).error == "name_not_resolved"


async def test_a_first_key_that_is_made_between_two_addresses_shuts_the_way_to_the_second() -> None:
    asked = iter([False, True])

    async def are_there_keys() -> bool:
        return next(asked)

    async with receiver(hosts=("127.0.0.1",)) as listening:
        dialer = Dialer(
            policy=AddressPolicy(ports=frozenset(), loopback_without_keys=True),
            resolver=ScriptedResolver(answers=[["127.0.0.9", "127.0.0.1"]]),
            tls=trusting(),
            are_there_keys=are_there_keys,
        )
        with pytest.raises(CannotDial) as refused:
            await dialer.dial(Target(scheme="http", host=NAME, port=listening.port, path="/"))
    assert (refused.value.code, listening.connections) == ("address_blocked", 0)


async def test_a_second_address_is_tried_though_the_first_one_drops_packets() -> None:
    async with receiver(hosts=("127.0.0.1",)) as listening:
        with socket.socket() as deaf, ExitStack() as full:
            deaf.bind(("127.0.0.5", listening.port))
            deaf.listen(0)
            for _ in range(4):  # who knocks while nobody opens is not answered at all
                knocking = full.enter_context(socket.socket())
                knocking.setblocking(False)
                with suppress(BlockingIOError):
                    knocking.connect(("127.0.0.5", listening.port))
            resolver = ScriptedResolver(answers=[["127.0.0.5", "127.0.0.1"]])
            async with courier(resolver=resolver, patience_seconds=2.0) as sender:
                answer = await post(f"http://{NAME}:{listening.port}/", courier=sender)
    assert answer.status == 200
    assert 0.9 < answer.seconds < 2.0


async def test_a_name_server_that_hangs_costs_no_more_than_the_patience() -> None:
    async with courier(resolver=SlowResolver(), patience_seconds=0.2) as sender:
        answer = await post(f"https://{NAME}/", courier=sender)
    assert answer.error == "timed_out"
    assert answer.seconds < 1.0


async def test_a_port_that_is_not_listed_is_not_connected_to(canary: Receiver) -> None:
    policy = AddressPolicy(networks=EVERYWHERE, plain_http=True)
    async with courier(policy) as sender:
        assert (await post(canary.url(), courier=sender)).error == "address_blocked"
    assert canary.connections == 0


async def test_only_https_is_spoken_unless_the_operator_opens_more(canary: Receiver) -> None:
    policy = AddressPolicy(ports=frozenset({canary.port}), networks=EVERYWHERE)
    async with courier(policy) as sender:
        assert (await post(canary.url(), courier=sender)).error == "address_blocked"
    assert canary.connections == 0


async def test_the_systems_resolver_finds_loopback_and_tells_what_it_cannot_find() -> None:
    resolver = SystemResolver(threads=1)
    assert "127.0.0.1" in await resolver.addresses("localhost", 443)
    dialer = Dialer(policy=AddressPolicy(), resolver=resolver, tls=trusting())
    with pytest.raises(CannotDial, match="could not be resolved"):
        await dialer.dial(parse_target("https://" + "a." * 100 + "invalid/"))
    resolver.close()


async def test_a_certificate_is_checked_against_the_name_and_the_authorities() -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    trusted, other = trusting(), trusting()
    authority.configure_trust(trusted)
    stranger.configure_trust(other)
    async with receiver(tls=_serving(authority, NAME)) as listening:
        answers = {}
        for host, context in ((NAME, trusted), ("other.example", trusted), (NAME, other)):
            resolver = ScriptedResolver(answers=[["127.0.0.1"]])
            async with courier(resolver=resolver, tls=context) as sender:
                found = await post(f"https://{host}:{listening.port}/", courier=sender)
            answers[host, context is trusted] = found.status or found.error
        assert answers == {(NAME, True): 200, ("other.example", True): "tls_failed", (NAME, False): "tls_failed"}
        assert len(listening.requests) == 1


async def test_whoever_is_stopped_while_dialing_leaves_nobody_listening_to_a_number_that_others_get() -> None:
    authority, trusted = trustme.CA(), trusting()
    authority.configure_trust(trusted)
    resolver = ScriptedResolver(answers=[["127.0.0.1"]])
    async with (
        receiver(tls=_serving(authority, NAME)) as listening,
        courier(resolver=resolver, tls=trusted) as sender,
    ):
        url = listening.url(scheme="https", host=NAME)
        for turns in range(30):
            stopped = asyncio.create_task(post(url, courier=sender))
            for _ in range(turns):
                await asyncio.sleep(0)
            stopped.cancel()
            await asyncio.wait([stopped])
            assert (await post(url, courier=sender)).status == 200, f"after a stop at turn {turns}"


async def test_what_speaks_no_tls_is_not_spoken_to() -> None:
    async with receiver(OK) as listening, courier(patience_seconds=2.0) as sender:
        answer = await post(listening.url(scheme="https", host="localhost"), courier=sender)
        assert answer.error in {"tls_failed", "not_connected", "timed_out"}
        assert listening.requests == []


def _serving(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_a_form_is_of_each_part_of_a_url() -> None:
    hosts = {urlsplit(url).scheme for url in urls(80) if url.isascii() and "[" not in url and "]" not in url}
    assert {"http", "ftp", "gopher", "file"} <= hosts
