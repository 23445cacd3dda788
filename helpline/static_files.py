"""Our own style sheets and scripts, addressed by what is in them, so that a browser may keep them for ever."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from helpline.web import Access, Refused, Route

_TYPES: Mapping[str, str] = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    body: bytes
    packed: bytes  # the same, gzipped
    content_type: str
    version: str


class StaticFiles:
    """The files of one folder, read once at start."""

    def __init__(self, folder: Path, prefix: str = "/static") -> None:
        self._prefix = prefix
        self._files: dict[str, _File] = {}
        sources = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.suffix in _TYPES
        }
        # One version for all: a script imports another by its plain name, and must get the one it was written with.
        whole = hashlib.sha256()
        for name, body in sources.items():
            whole.update(f"{name}\0{len(body)}\0".encode() + body)
        version = whole.hexdigest()[:12]
        for name, body in sources.items():
            packed = gzip.compress(body, mtime=0)
            self._files[name] = _File(body, packed, _TYPES[Path(name).suffix], version)

    def address(self, name: str) -> str:
        """Where a page finds the file; `KeyError` for one that is not there."""
        return f"{self._prefix}/{self._files[name].version}/{name}"

    def routes(self) -> list[Route]:
        """The one route that serves them."""
        return [Route("GET", self._prefix + "/{version}/{name:.+}", self._serve, Access.PUBLIC)]

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        found = self._files.get(request.match_info["name"])
        if found is None:
            raise Refused(404, "error.not_found")
        headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if request.match_info["version"] == found.version:
            # A page of an older release asks with its own version, and must not keep our file under that name.
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        body = found.body
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = found.packed
        return web.Response(body=body, content_type=found.content_type, charset="utf-8", headers=headers)
