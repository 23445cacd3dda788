"""Whoever is at the other end of the web chat: known by a cookie of that browser, and by what was chosen on the page.

There is no account. The value of the cookie is stored nowhere; hashed, it is the address of the conversation.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

from helpline.messages import Address, Channel, Country, Language
from helpline.web import LANGUAGE, LANGUAGE_COOKIE, client_address

COUNTRY_COOKIE = "country"
LEFT_COOKIE = "left"  # set by the page when it is left in haste: the chat's cookie is to be disregarded
_YEAR = 365 * 24 * 3600
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")

# Where a page is left for: something that anybody might be reading.
AWAY: Mapping[Country, str] = {Country.NO: "https://www.yr.no/", Country.SE: "https://www.smhi.se/"}


@dataclass(frozen=True)
class Visitor:
    """One browser, as far as we know it."""

    address: Address  # where its conversation is found
    language: Language
    country: Country
    chose_language: bool
    caller: str  # the network address, for rate limits
    new_token: str = field(
        default="", repr=False
    )  # the value of the cookie that this response sets; empty where the browser has one

    @property
    def is_new(self) -> bool:
        """Whether this browser brought no cookie."""
        return bool(self.new_token)

    @property
    def name(self) -> str:
        """A short name for this browser that says nothing."""
        return self.address.value[:24]


class Visitors:
    """Cookies in and out."""

    def __init__(self, *, secure: bool, country: Country, trusted_proxies: int = 0) -> None:
        self._secure = secure
        self._country = country
        self._trusted_proxies = trusted_proxies
        # The prefix makes a browser refuse the cookie from anything but this very host over https.
        self._cookie = "__Host-chat" if secure else "chat"

    def who(self, request: web.Request) -> Visitor:
        """Who is asking; a new visitor where the browser brings no cookie, or has left."""
        token = request.cookies.get(self._cookie, "")
        new_token = ""
        if LEFT_COOKIE in request.cookies or not _TOKEN.fullmatch(token):
            token = new_token = secrets.token_urlsafe(32)
        return Visitor(
            address=Address(Channel.WEB, hashlib.sha256(token.encode()).hexdigest()),
            language=request[LANGUAGE],
            country=self.country(request),
            chose_language=LANGUAGE_COOKIE in request.cookies or "lang" in request.query,
            caller=client_address(request, trusted_proxies=self._trusted_proxies),
            new_token=new_token,
        )

    def country(self, request: web.Request) -> Country:
        """The country that was chosen, else the one that the language points to, else the line's own."""
        chosen = request.cookies.get(COUNTRY_COOKIE)
        if chosen in {country.value for country in Country}:
            return Country(chosen)
        return Country.SE if request[LANGUAGE] is Language.SV else self._country

    def remember(self, response: web.Response, visitor: Visitor) -> None:
        """Set the cookie of a new visitor; it ends with the browser."""
        if visitor.new_token:
            self._set(response, self._cookie, visitor.new_token)
            response.del_cookie(LEFT_COOKIE, path="/")

    def keep_language(self, response: web.Response, language: Language) -> None:
        """Remember the language that was chosen."""
        self._set(response, LANGUAGE_COOKIE, language.value, max_age=_YEAR)

    def keep_country(self, response: web.Response, country: Country) -> None:
        """Remember the country that was chosen."""
        self._set(response, COUNTRY_COOKIE, country.value, max_age=_YEAR)

    def forget(self, response: web.Response) -> None:
        """Have the browser forget that it was here, pages it keeps for its back button among it."""
        for name in (self._cookie, LANGUAGE_COOKIE, COUNTRY_COOKIE, LEFT_COOKIE):
            response.del_cookie(name, path="/", secure=self._secure, samesite="Strict")
        response.headers["Clear-Site-Data"] = '"cache", "cookies", "storage"'

    def _set(self, response: web.Response, name: str, value: str, *, max_age: int | None = None) -> None:
        response.set_cookie(
            name, value, max_age=max_age, path="/", httponly=True, secure=self._secure, samesite="Strict"
        )
