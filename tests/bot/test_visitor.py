"""Who is at the other end of the web chat: a browser with a cookie, and nothing more."""

from __future__ import annotations

import hashlib

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from bot.visitor import Visitors
from helpline.messages import Country, Language
from helpline.web import LANGUAGE

TOKEN = "t" * 43


def a_request(language: Language = Language.NB, **headers: str) -> web.Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = make_mocked_request("GET", "/", headers=named).clone(remote="10.0.0.1")
    request[LANGUAGE] = language
    return request


def visitors(*, secure: bool = False, proxies: int = 0) -> Visitors:
    return Visitors(secure=secure, country=Country.NO, trusted_proxies=proxies)


def test_the_cookie_leads_to_an_address_and_is_not_it() -> None:
    visitor = visitors().who(a_request(Cookie=f"chat={TOKEN}"))
    assert not visitor.is_new
    assert visitor.address.value == hashlib.sha256(TOKEN.encode()).hexdigest()
    assert TOKEN not in repr(visitor)
    assert visitor.address.value not in repr(visitor)
    new = visitors().who(a_request())
    assert new.new_token not in repr(new)


@pytest.mark.parametrize(
    "cookie", ["", "chat=short", f"chat={'ø' * 43}", f"chat={TOKEN}; left=1", f"__Host-chat={TOKEN}"]
)
def test_without_a_good_cookie_somebody_is_new(cookie: str) -> None:
    first, second = (visitors().who(a_request(Cookie=cookie)) for _ in range(2))
    assert first.is_new
    assert first.address != second.address


def test_over_https_the_cookie_is_bound_to_the_host() -> None:
    secure = visitors(secure=True)
    assert not secure.who(a_request(Cookie=f"__Host-chat={TOKEN}")).is_new
    assert secure.who(a_request(Cookie=f"chat={TOKEN}")).is_new
    response = web.Response()
    secure.remember(response, secure.who(a_request()))
    set_, left = (morsel.OutputString() for morsel in response.cookies.values())
    assert set_.startswith("__Host-chat=")
    for attribute in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"):
        assert attribute in set_
    assert "Domain" not in set_
    assert left.startswith("left=")


def test_leaving_takes_back_every_cookie() -> None:
    response = web.Response()
    visitors(secure=True).forget(response)
    assert set(response.cookies) == {"__Host-chat", "lang", "country", "left"}
    assert all(str(morsel["max-age"]) == "0" for morsel in response.cookies.values())


@pytest.mark.parametrize(
    ("cookie", "language", "country"),
    [
        ("", Language.NB, Country.NO),
        ("", Language.EN, Country.NO),
        ("", Language.SV, Country.SE),
        ("country=NO", Language.SV, Country.NO),  # a Swedish nurse in Norway
        ("country=SE", Language.NB, Country.SE),
        ("country=DK", Language.NB, Country.NO),
    ],
)
def test_whose_law_is_meant(cookie: str, language: Language, country: Country) -> None:
    assert visitors().who(a_request(language, Cookie=cookie)).country is country


@pytest.mark.parametrize(("proxies", "caller"), [(0, "10.0.0.1"), (1, "1.2.3.4")])
def test_behind_a_proxy_everybody_has_a_limit_of_their_own(proxies: int, caller: str) -> None:
    assert visitors(proxies=proxies).who(a_request(X_Forwarded_For="6.6.6.6, 1.2.3.4")).caller == caller
