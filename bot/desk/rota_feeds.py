"""Calendar links: made, seen once, made void; and the calendars behind them, which open with the secret alone.

A calendar program has no session, so the address itself is the key: nobody else is asked who they are, an address that
opens nothing looks like one that never was, and nothing of it is written to a log.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from bot.desk.door import DeskDoor
from bot.desk.rota_telling import HERE, MEMBERS, frame, rota_telling
from escalation.rota import calendars
from escalation.rota.calendars import MOST_FEEDS, TooManyFeeds
from helpline.accounts import Role
from helpline.web import LANGUAGE, Access, Refused, Route, see_other

FEEDS: Final = HERE + "/feeds"
FEED: Final = "/rota/feed"
_FRESH: Final = "private, max-age=300"


class FeedDesk:
    """The routes of calendar links."""

    def __init__(self, door: DeskDoor) -> None:
        self._door = door
        self._house = door.house

    def routes(self) -> list[Route]:
        """The page for staff, and the calendars for whoever holds their secret."""
        staff = Access.STAFF
        return [
            Route("GET", FEEDS, self.show, staff),
            Route("POST", FEEDS, self.make, staff),
            Route("POST", FEEDS + "/{id:[0-9]{1,15}}/revoke", self.revoke, staff),
            Route("GET", FEEDS + "/{id:[0-9]{1,15}}/revoke", self.back, staff),
            Route("GET", FEED + "/{secret:[A-Za-z0-9_-]{20,100}}.ics", self.calendar, Access.PUBLIC),
            Route("HEAD", FEED + "/{secret:[A-Za-z0-9_-]{20,100}}.ics", self.calendar, Access.PUBLIC),
        ]

    async def back(self, request: web.Request) -> web.StreamResponse:
        """A form's address, loaded anew, is the list."""
        self._door.member(request, *MEMBERS)
        return see_other(FEEDS)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """One's links, and a form to make one."""
        notice = "desk.rota.feed.told.revoked" if request.query.get("told") == "revoked" else ""
        return await self._page(request, notice=notice)

    async def make(self, request: web.Request) -> web.StreamResponse:
        """Make a link and show it, this once."""
        staff = self._door.member(request, *MEMBERS)
        form = await self._door.form(request)
        whole = form.get("whole") == "yes"
        if whole and Role.COORDINATOR not in staff.roles:
            raise Refused(404, "error.not_found")
        try:
            async with self._house.db.write() as conn:
                secret, _ = await calendars.make_feed(conn, staff.id, whole=whole, now=self._house.clock.now())
        except TooManyFeeds:
            return await self._page(request, wrong="desk.rota.feed.too_many", status=409)
        public = self._house.settings.public_url or f"{request.scheme}://{request.host}"
        return await self._page(request, link=f"{public.rstrip('/')}{FEED}/{secret}.ics")

    async def revoke(self, request: web.Request) -> web.StreamResponse:
        """Make one void; twice is as good as once."""
        staff = self._door.member(request, *MEMBERS)
        await self._door.form(request)
        async with self._house.db.write() as conn:
            feed_id, now = int(request.match_info["id"]), self._house.clock.now()
            theirs = await calendars.revoke_feed(conn, staff.id, feed_id, now)
        return see_other(f"{FEEDS}?told=revoked" if theirs else FEEDS)

    async def calendar(self, request: web.Request) -> web.StreamResponse:
        """The calendar behind a secret."""
        # The secret is looked up by its hash, so how long the answer takes says nothing of how near a guess was.
        now = self._house.clock.now()
        served = await calendars.feed(self._house.db, self._house.phrases, request.match_info["secret"], now)
        if served is None:
            raise Refused(404, "error.not_found")
        headers = {"Cache-Control": _FRESH, "ETag": served.etag, "X-Robots-Tag": "noindex"}
        if served.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        headers["Content-Disposition"] = 'inline; filename="varde.ics"'
        return web.Response(body=served.body, content_type="text/calendar", charset="utf-8", headers=headers)

    async def _page(
        self, request: web.Request, *, notice: str = "", wrong: str = "", link: str = "", status: int = 200
    ) -> web.Response:
        staff = self._door.member(request, *MEMBERS)
        async with self._house.db.read() as conn:
            tell = await rota_telling(self._door, request, conn)
            feeds = await calendars.feeds_of(conn, staff.id)
        return self._door.pages.page(
            "desk/rota_feeds.html",
            request[LANGUAGE],
            status=status,
            feeds=[
                {
                    "id": each.id,
                    "name": tell.say("desk.rota.feed.whole" if each.whole else "desk.rota.feed.own"),
                    "made": tell.say("desk.made", time=tell.moment(each.made_at)),
                    "used": tell.say("desk.used", time=tell.moment(each.used_at))
                    if each.used_at is not None
                    else tell.say("desk.never_used"),
                }
                for each in feeds
            ],
            full=len(feeds) >= MOST_FEEDS,
            most=MOST_FEEDS,
            link=link,
            notice=tell.say(notice) if notice else "",
            wrong=tell.say(wrong, count=MOST_FEEDS) if wrong else "",
            address=FEEDS,
            **await frame(self._door, request, FEEDS),
        )
