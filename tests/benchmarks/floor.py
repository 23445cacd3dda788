"""The floor that the line is measured against: check the signature, make one durable commit, say yes. Nothing else.

Run by the benchmarks in a process of its own: `python -m tests.benchmarks.floor DATABASE_URL PORT`.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
from aiohttp import web
from sqlalchemy import make_url
from twilio.request_validator import RequestValidator

from tests import captured

_TABLE = "CREATE TABLE IF NOT EXISTS floor (sid text PRIMARY KEY, number text, body text)"


def main(url: str, port: int) -> None:
    parsed = make_url(url)
    app = web.Application()
    validator = RequestValidator(captured.AUTH_TOKEN)
    keep: Any = None

    async def message(request: web.Request) -> web.Response:
        fields = dict(parse_qsl((await request.read()).decode(), keep_blank_values=True))
        called = captured.PUBLIC_URL + request.path
        if not validator.validate(called, fields, request.headers.get("X-Twilio-Signature", "")):
            return web.Response(status=403)
        await keep(fields["MessageSid"], fields["From"], fields["Body"])
        return web.Response(text="<Response></Response>", content_type="text/xml")

    async def connected(app: web.Application) -> None:
        nonlocal keep
        keep = await (_postgres(parsed) if parsed.get_backend_name() == "postgresql" else _sqlite(parsed.database))

    app.router.add_post("/twilio/message", message)
    app.on_startup.append(connected)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


async def _postgres(url: Any) -> Any:
    pool = await asyncpg.create_pool(
        user=url.username, host=url.query.get("host", url.host), port=url.port, database=url.database, min_size=8
    )
    await pool.execute(_TABLE)

    async def keep(*row: str) -> None:
        await pool.execute("INSERT INTO floor VALUES ($1, $2, $3)", *row)

    return keep


async def _sqlite(path: str | None) -> Any:
    assert path is not None
    db = sqlite3.connect(Path(path), check_same_thread=False, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute(_TABLE)
    writer, loop = ThreadPoolExecutor(1), asyncio.get_running_loop()

    def insert(row: tuple[str, ...]) -> None:
        db.execute("INSERT INTO floor VALUES (?, ?, ?)", row)  # in autocommit: one transaction, one fsync

    async def keep(*row: str) -> None:
        await loop.run_in_executor(writer, insert, row)

    return keep


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
