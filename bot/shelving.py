"""Putting the shipped content into storage at the start, and clearing away what has been kept long enough."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from bot import caller_store, gaps, held_store, notes_store, store
from bot.house import House
from escalation import auditor_store, shift_store
from escalation import files as ladder_files
from escalation import store as escalations
from escalation.reach import store as reach_store
from escalation.rota import calendars
from escalation.rota import store as rota_store
from helpline import access_tokens, accounts, inbox, outbox
from knowledge import drafts, question_sets
from knowledge import store as shelves
from routing import store as services
from routing.certification import store as certification_store
from routing.referrals import store as referral_store
from routing.upkeep import confirming_store, proposal_store

log = structlog.get_logger(__name__)

ROWS_KEPT = timedelta(days=90)  # of messages without their words, to know a provider's late repeat for one
_MOST_ROUNDS = 500
WORDS_KEPT = timedelta(days=30)  # of a conversation in which nothing has been said since


async def put_on_shelves(house: House, now: datetime) -> None:
    """Bring what ships into storage, where nothing newer of an editor's or coordinator's stands."""
    folder = house.content
    async with house.db.write() as conn:
        await shelves.import_shipped(conn, folder / "articles", now)
        await question_sets.ship(conn, folder / "questions", now)
        await services.ship_services(conn, house.library.directory, now=now)
        await ladder_files.prepare(conn, folder, now)
        if house.settings.roster is not None:
            await ladder_files.import_rosters(conn, house.settings.roster, now, saved_by="settings")
        if house.settings.ladder is not None:
            await ladder_files.import_ladders(conn, house.settings.ladder, now, saved_by="settings")


async def tidy(house: House, now: datetime) -> int:
    """Forget what its table says is kept no longer; zero, since nobody waits for more of it."""
    forgotten = 0
    for _ in range(_MOST_ROUNDS):
        # A little at a time: whoever writes meanwhile must not wait for a year's worth of rows.
        async with house.db.write() as conn:
            quiet = await store.forget_quiet(conn, house.vault, before=now - WORDS_KEPT)
            rows = await inbox.delete_older(conn, before=now - ROWS_KEPT)
            rows += await outbox.delete_older(conn, before=now - ROWS_KEPT)
            rows += await caller_store.delete_gone(conn)
            rows += await held_store.delete_lost(conn)
            rows += await referral_store.delete_older(conn, now=now)
            rows += await referral_store.forget_lost(conn, house.vault, before=now - WORDS_KEPT)
            rows += await notes_store.delete_older(conn, before=now - ROWS_KEPT)
            rows += await gaps.delete_closed(conn, house.vault, before=now - gaps.KEPT_CLOSED)
            rows += await escalations.delete_older(conn, before=now - escalations.KEPT_FOR)
            await shift_store.delete_orphans(conn)
            rows += await auditor_store.delete_older(conn, before=now - auditor_store.KEPT_FOR)
        forgotten += quiet
        if not quiet and not rows:
            break
    async with house.db.write() as conn:
        await outbox.delete_early_reports(conn, before=now - timedelta(days=1))
        await accounts.delete_expired(conn, before=now - timedelta(days=1))
        await drafts.forget_closed(conn, now)
        await access_tokens.delete_ended(conn, now=now)
        await rota_store.delete_older(conn, now)
        await calendars.forget_feeds_of_the_gone(conn)
        await reach_store.delete_older(conn, now=now)
        await confirming_store.delete_older(conn, now=now)
        await certification_store.delete_left(conn, house.vault, before=now - certification_store.KEPT_LEFT)
        await proposal_store.forget_words(conn, before=now - proposal_store.WORDS_KEPT)
        await proposal_store.forget_all_addresses(conn)
    if forgotten:
        log.info("conversations_forgotten", count=forgotten)
    await house.db.tidy()
    return 0
