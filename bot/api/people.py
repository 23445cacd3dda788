"""Who asks, one's own tokens, and for administrators who works here. No operation shows a conversation."""

from __future__ import annotations

from bot.api import shapes
from bot.api.operations import ADMINISTRATORS, EVERYBODY, Answer, Call, Operation, Storage
from bot.api.paging import page
from bot.api.problems import not_there
from helpline import access_tokens, accounts
from helpline.access_tokens import AccessToken
from helpline.accounts import Staff

_TAG = "people"


class PeopleApi:
    """The operations on people and tokens. A token is made on the desk, by somebody who has just signed in."""

    def operations(self) -> list[Operation]:
        """What can be done."""
        return [
            Operation(
                "getMe",
                "GET",
                "/me",
                "Who asks, and by which token",
                _TAG,
                EVERYBODY,
                self.me,
                gives=shapes.MeOut,
                storage=Storage.NONE,
            ),
            Operation(
                "listTokens",
                "GET",
                "/tokens",
                "One's own tokens",
                _TAG,
                EVERYBODY,
                self.tokens,
                gives=shapes.TokenPage,
                query=shapes.PageQuery,
            ),
            Operation(
                "revokeToken",
                "DELETE",
                "/tokens/{token}",
                "End one of one's own tokens",
                _TAG,
                EVERYBODY,
                self.revoke,
                status=204,
                parts=shapes.TokenParts,
                also={404: ""},
                storage=Storage.WRITE,
                description="A token for reading may end tokens too, itself among them: who holds it by mistake can.",
            ),
            Operation(
                "listStaff",
                "GET",
                "/staff",
                "Who works here",
                _TAG,
                ADMINISTRATORS,
                self.staff,
                gives=shapes.StaffPage,
                query=shapes.PageQuery,
            ),
        ]

    async def me(self, call: Call) -> Answer:
        """Who asks."""
        return Answer(shapes.MeOut(staff=_staff(call.caller.staff), token=_token(call.caller.token, call)))

    async def tokens(self, call: Call) -> Answer:
        """One's own, the newest first."""
        shown, following = page(
            await access_tokens.list_of(call.conn, call.caller.staff.id),
            lambda one: (one.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
            descending=True,
        )
        return Answer(shapes.TokenPage(items=[_token(one, call) for one in shown], next=following))

    async def revoke(self, call: Call) -> Answer:
        """End one."""
        if not await access_tokens.revoke(call.conn, call.caller.staff.id, call.path["token"], now=call.now):
            raise not_there()
        return Answer()

    async def staff(self, call: Call) -> Answer:
        """Everybody, also those who have left."""
        shown, following = page(
            await accounts.list_staff(call.conn, active_only=False),
            lambda one: (one.id,),
            cursor=call.query.cursor,
            limit=call.query.limit,
        )
        return Answer(shapes.StaffPage(items=[_staff(one) for one in shown], next=following))


def _staff(one: Staff) -> shapes.StaffOut:
    return shapes.StaffOut(
        id=one.id,
        name=one.name,
        roles=sorted(one.roles),
        languages=list(one.languages),
        zone=one.zone,
        active=one.active,
    )


def _token(one: AccessToken, call: Call) -> shapes.TokenOut:
    return shapes.TokenOut(
        id=one.id,
        name=one.name,
        scope=one.scope,
        created_at=one.created_at,
        expires_at=one.expires_at,
        used_at=one.used_at,
        revoked_at=one.revoked_at,
        good=one.is_good(call.now),
    )
