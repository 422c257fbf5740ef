"""The URL of a receiver is read in one way or not at all."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flow_forecaster.services.targets import MOST_URL, InvalidTarget, Target, parse_target


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "path"),
    [
        ("https://example.org", "https", "example.org", 443, "/"),
        ("HTTPS://Example.ORG/Hook?a=b&c=%20", "https", "example.org", 443, "/Hook?a=b&c=%20"),
        ("http://example.org:8080/x", "http", "example.org", 8080, "/x"),
        ("https://192.0.2.1:8443/", "https", "192.0.2.1", 8443, "/"),
        ("https://[2001:DB8:0::1]:443/", "https", "2001:db8::1", 443, "/"),
        ("https://xn--bcher-kva.example./", "https", "xn--bcher-kva.example.", 443, "/"),
        ("https://a_b.example/@me", "https", "a_b.example", 443, "/@me"),
    ],
)
def test_a_url_is_read(url: str, scheme: str, host: str, port: int, path: str) -> None:
    assert parse_target(url) == Target(scheme=scheme, host=host, port=port, path=path)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "example.org",
            "//example.org",
            "ftp://example.org",
            "file:///etc/passwd",
            "gopher://a",
            "https:example.org",
        ),
        *("https://", "https:///x", "https://:443/", "https://.", "https://..", "https://a..b", "https://-a.org"),
        *("https://user@example.org", "https://user:pass@example.org", "https://@example.org", "https://a@b@c"),
        *("https://example.org#a", "https://example.org/#", "https://example.org\\@a", "https://exa mple.org"),
        *("https://example.org\n", "\thttps://example.org", "https://exam\tple.org", "https://example.org/\r\nX: y"),
        *(
            "https://bücher.example",
            "https://\uff11\uff12\uff17.0.0.1",
            "https://①②⑦.0.0.1",
            "https://example。org",
            "https://ß.de",
        ),
        *("https://example.org:0", "https://example.org:65536", "https://example.org:", "https://example.org:99999999"),
        *("https://example.org:+80", "https://example.org:8_0", "https://example.org:٨٠", "https://a:80:80"),
        *("https://127.1", "https://2130706433", "https://0x7f000001", "https://0x7f.0.0.1", "https://0177.0.0.1"),
        *("https://127.0.0.1.", "https://127.0.0.01", "https://1.2.3", "https://1.2.3.4.5", "https://256.0.0.1"),
        *("https://a.0x10", "https://a.1", "https://0x", "https://[::1", "https://::1", "https://[::1]a"),
        *("https://[fe80::1%25eth0]", "https://[::1%lo]", "https://[127.0.0.1]", "https://[v1.a]", "https://[]"),
        *("https://%6c%6f", "https://exam%70le.org", "https://a,b", "https://a;b", "https://a'b", "https://a!b"),
        "https://" + "a" * 64 + ".org",
        "https://" + "a." * 127 + "org",
        "https://example.org/" + "a" * MOST_URL,
    ],
)
def test_a_url_that_can_be_read_in_two_ways_is_refused_without_an_echo(url: str) -> None:
    with pytest.raises(InvalidTarget) as refused:
        parse_target(url)
    assert url == "" or url not in str(refused.value)


@given(st.text(max_size=60))
def test_whatever_is_read_is_read_by_python_alike(tail: str) -> None:
    url = "https://" + tail
    try:
        target = parse_target(url)
    except InvalidTarget:
        return
    parts = urlsplit(url)
    assert parts.username is None
    assert (parts.port or 443) == target.port
    assert target.path.isascii()


def test_the_host_header_and_the_origin_leave_out_the_usual_port() -> None:
    assert parse_target("https://example.org/a").authority == "example.org"
    assert parse_target("http://example.org:443/a").authority == "example.org:443"
    assert parse_target("https://[2001:db8::1]/a").authority == "[2001:db8::1]"
    assert parse_target("https://[2001:db8::1]:8443/a").origin == "https://[2001:db8::1]:8443"
