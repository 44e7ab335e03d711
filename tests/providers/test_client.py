"""The client against a server that answers byte by byte as a test tells it to."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from generations.providers import client
from generations.providers.client import Call, Client, Fetched, HostPolicy, NotFetched
from generations.providers.exchange import FateUnknown, NotSent

Server = Callable[..., str]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


@pytest.fixture
def server() -> Iterator[Server]:
    """Start a server that gives each connection one of the scripted answers; returns its address."""
    listening: list[socket.socket] = []
    release = threading.Event()

    def start(*answers: bytes, hang: bool = False, seen: list[bytes] | None = None) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listening.append(listener)

        def serve() -> None:
            for answer in answers:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    told = line.recv(65536)
                    if seen is not None:
                        seen.append(told)
                    line.sendall(answer)
                    if hang:
                        release.wait(10)

        threading.Thread(target=serve, daemon=True).start()
        return f"127.0.0.1:{listener.getsockname()[1]}"

    yield start
    release.set()
    for listener in listening:
        listener.close()


@pytest.fixture(scope="module")
def sender() -> Client:
    return client.shared()


def call(pair: str, *, paid: bool = True, deadline: float = 5, method: str = "POST", path: str = "/x") -> Call:
    policy = HostPolicy(frozenset({pair}), trusted=frozenset({pair}))
    return Call(httpx.Request(method, f"http://{pair}{path}"), deadline, policy, lane="1", paid=paid)


def test_an_answer_comes_back_whole(server: Server, sender: Client) -> None:
    reply = sender.send(call(server(OK))).result(10)
    assert isinstance(reply, httpx.Response)
    assert reply.content == b"{}"


def test_a_status_outside_the_standard_survives(server: Server, sender: Client) -> None:
    reply = sender.send(call(server(b"HTTP/1.1 596 Broken\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"))).result(
        10
    )
    assert isinstance(reply, httpx.Response)
    assert reply.status_code == 596


def test_a_refused_connection_was_not_sent(sender: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        pair = f"127.0.0.1:{listener.getsockname()[1]}"
    assert sender.send(call(pair)).result(10) == NotSent("Nobody answers at this address.")


@contextlib.contextmanager
def serving_tls(folder: Path) -> Iterator[str]:
    """A server with a certificate that it has signed itself; its address."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    maker = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = maker.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    (folder / "server.pem").write_bytes(private + signed.public_bytes(pem))
    settings = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    settings.load_cert_chain(folder / "server.pem")

    def serve() -> None:
        with contextlib.suppress(OSError), settings.wrap_socket(listener.accept()[0], server_side=True):
            pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        answering = threading.Thread(target=serve)
        answering.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        answering.join()


def test_a_certificate_that_nobody_vouches_for_is_named(sender: Client, tmp_path: Path) -> None:
    with serving_tls(tmp_path) as pair:
        policy = HostPolicy(frozenset({pair}), trusted=frozenset({pair}))
        reply = sender.send(Call(httpx.Request("GET", f"https://{pair}/"), 5, policy, lane="1")).result(10)
    assert reply == NotSent("The certificate at this address is not valid.")


def test_what_is_no_tls_at_all_is_named(server: Server, sender: Client) -> None:
    pair = server(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    policy = HostPolicy(frozenset({pair}), trusted=frozenset({pair}))
    reply = sender.send(Call(httpx.Request("GET", f"https://{pair}/"), 5, policy, lane="1")).result(10)
    assert reply == NotSent("No secure line could be opened to this address.")


def test_a_name_without_an_address_was_not_sent(sender: Client) -> None:
    assert sender.send(call("nowhere.invalid:80")).result(10) == NotSent("nowhere.invalid has no address.")


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{", b"garbage\r\n\r\n"],
)
def test_a_line_that_drops_after_sending_leaves_the_fate_unknown(server: Server, sender: Client, answer: bytes) -> None:
    assert sender.send(call(server(answer))).result(10) == FateUnknown("The line broke off.")


def test_an_answer_that_does_not_unpack_is_damaged(server: Server, sender: Client) -> None:
    zipped = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\nConnection: close\r\n\r\nxxxx"
    assert sender.send(call(server(zipped))).result(10) == FateUnknown("The answer arrived damaged.")


def test_silence_after_sending_leaves_the_fate_unknown_at_the_deadline(server: Server, sender: Client) -> None:
    reply = sender.send(call(server(b"", hang=True), deadline=0.3)).result(10)
    assert isinstance(reply, FateUnknown)
    assert "0.3 seconds" in reply.reason


def test_an_answer_that_never_ends_leaves_the_fate_unknown(
    server: Server, sender: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ANSWER_CAP", 10)
    endless = b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n" + b"x" * 20
    assert isinstance(sender.send(call(server(endless))).result(10), FateUnknown)


def test_a_redirect_of_a_call_is_an_answer_and_is_not_followed(server: Server, sender: Client) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    reply = sender.send(call(server(moved))).result(10)
    assert isinstance(reply, httpx.Response)
    assert reply.status_code == 302


def test_a_paid_call_uses_a_fresh_connection_each_time(server: Server, sender: Client) -> None:
    keep = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    pair = server(keep, keep)
    for _ in range(2):
        assert isinstance(sender.send(call(pair)).result(10), httpx.Response)


def test_a_trusted_address_may_be_one_of_ipv6() -> None:
    policy = HostPolicy(trusted=frozenset({"[::1]:8000", "[fd00::a]:80"}))
    for address in ("http://[::1]:8000/kling", "http://[FD00::A]/kling"):
        assert policy.refuses(httpx.URL(address)) == ""
    assert policy.allows("::1", 8000, "::1")
    assert not policy.allows("::1", 8001, "::1")
    assert client.host_port(httpx.URL("https://[2001:db8::1]/")) == "[2001:db8::1]:443"


@pytest.mark.parametrize(
    ("url", "policy", "why"),
    [
        ("http://api.example.com/", HostPolicy(frozenset({"api.example.com:80"})), "https"),
        ("https://other.example.com/", HostPolicy(frozenset({"api.example.com:443"})), "provider's own"),
        ("https://api.example.com:8443/", HostPolicy(frozenset({"api.example.com:443"})), "provider's own"),
        ("ftp://127.0.0.1:2121/", HostPolicy(trusted=frozenset({"127.0.0.1:2121"})), "neither http nor https"),
    ],
)
def test_an_address_outside_the_policy_is_never_called(sender: Client, url: str, policy: HostPolicy, why: str) -> None:
    reply = sender.send(Call(httpx.Request("POST", url), 5, policy, lane="1")).result(10)
    assert isinstance(reply, NotSent)
    assert why in reply.reason


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "127.1", "0x7f.1", "2130706433"])
def test_a_private_address_is_refused_however_it_is_written(sender: Client, host: str) -> None:
    fetched = sender.fetch(
        Call(httpx.Request("GET", f"https://{host}/a.png"), 5, HostPolicy(), lane="1"), Path("/nowhere")
    ).result(10)
    assert isinstance(fetched, NotFetched)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::1",
        "fe80::1",
        "fc00::1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "ff02::1",
    ],
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not client.is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_an_address_outside_is_public(address: str) -> None:
    assert client.is_public(address)


def test_connections_really_pass_through_our_backend() -> None:
    made = client.transport(HostPolicy(), keepalive=True)
    assert isinstance(made._pool._network_backend, client.Backend)


def test_a_file_is_streamed_with_its_size_and_hash(server: Server, sender: Client, tmp_path: Path) -> None:
    seen: list[bytes] = []
    picture = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    fetched = sender.fetch(call(server(picture, seen=seen), method="GET", paid=False), tmp_path / "a").result(10)
    assert isinstance(fetched, Fetched)
    assert (tmp_path / "a").read_bytes() == b"hello"
    assert fetched.size == 5
    assert fetched.sha256.startswith("2cf24dba")
    assert b"mozilla" in seen[0].lower()
    assert b"authorization" not in seen[0].lower()


def test_a_file_may_be_redirected_a_few_times(server: Server, sender: Client, tmp_path: Path) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    picture = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    fetched = sender.fetch(call(server(moved, picture), method="GET"), tmp_path / "a").result(10)
    assert isinstance(fetched, Fetched)
    lost = sender.fetch(call(server(*[moved] * 5), method="GET"), tmp_path / "a").result(10)
    assert lost == NotFetched("The picture's address redirects too often.")


def test_a_redirect_to_a_private_address_is_refused(server: Server, sender: Client, tmp_path: Path) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    fetched = sender.fetch(call(server(moved), method="GET"), tmp_path / "a").result(10)
    assert fetched == NotFetched("The address does not begin with https.")


@pytest.mark.parametrize(("status", "gone"), [(b"404 Not Found", True), (b"410 Gone", True), (b"403 No", False)])
def test_a_missing_file_is_told_from_one_that_cannot_be_had_now(
    server: Server,
    sender: Client,
    tmp_path: Path,
    status: bytes,
    gone: bool,
) -> None:
    answer = b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    fetched = sender.fetch(call(server(answer), method="GET"), tmp_path / "a").result(10)
    assert isinstance(fetched, NotFetched)
    assert fetched.gone is gone


def test_a_file_larger_than_the_cap_is_given_up(server: Server, sender: Client, tmp_path: Path) -> None:
    picture = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    fetched = sender.fetch(call(server(picture), method="GET"), tmp_path / "a", cap=4).result(10)
    assert isinstance(fetched, NotFetched)
    assert "larger" in fetched.reason


def test_a_file_that_breaks_off_or_drips_is_given_up(server: Server, sender: Client, tmp_path: Path) -> None:
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello"
    broken = sender.fetch(call(server(half), method="GET"), tmp_path / "a").result(10)
    dripping = sender.fetch(call(server(half, hang=True), method="GET", deadline=0.3), tmp_path / "a").result(10)
    assert broken == NotFetched("The line broke off.")
    assert isinstance(dripping, NotFetched)
    assert "0.3 seconds" in dripping.reason


def test_a_file_without_room_on_the_disk_says_so(server: Server, sender: Client, tmp_path: Path) -> None:
    picture = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    fetched = sender.fetch(call(server(picture), method="GET"), tmp_path / "no folder" / "a").result(10)
    assert fetched == NotFetched("What arrived could not be written to the disk.")


def test_secrets_are_taken_out_of_what_is_kept() -> None:
    assert client.redact("key abc and abcdef.", ["abc", "", "abcdef"]) == "key ••• and •••."
    assert client.redact("x" * 50, [], cap=10) == "x" * 10


def test_a_process_has_one_client() -> None:
    assert client.shared() is client.shared()


@pytest.fixture
def own() -> Iterator[Client]:
    with closing(Client()) as made:
        yield made


def test_a_client_that_is_closed_leaves_no_thread_and_no_line_open(server: Server) -> None:
    own = Client()
    assert isinstance(own.send(call(server(OK))).result(10), httpx.Response)
    own.close()
    assert own.loop.is_closed()
    assert not own.thread.is_alive()


def test_lanes_that_nobody_uses_are_closed_and_one_in_use_is_not(own: Client) -> None:
    for number in range(client.LANES + 5):
        call = Call(httpx.Request("GET", "https://127.0.0.1:9/"), 5, HostPolicy(), f"lane {number}")
        own.send(call).result(10)
        own.busy["lane 0", HostPolicy(), False] = 1
    kept = {name for name, _, _ in own.lanes}
    assert {"lane 0", f"lane {client.LANES + 4}"} <= kept
    assert "lane 1" not in kept
    assert len(own.lanes) <= client.LANES + 2
