"""The ceiling of an inbox: the least program that verifies, stores once and durably, and answers. No product.

python -m tests.bench.strawman_inbox FILE, with {"port", "database", "keys", "processed", "inboxes", "group"} in it.

With `processed` each activity is also worked through in the same group commit, unsealed: its words sanitised, the post
and whom it mentions stored, an announcement of it queued for every inbox of the group.
"""

import asyncio
import base64
import contextlib
import email.utils
import hashlib
import hmac
import json
import re
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nh3
import orjson
import psycopg
import uvicorn
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

PARAMETER = re.compile(r'(\w+)="([^"]*)"')
COVERED = {"(request-target)", "host", "date", "digest"}
WINDOW_SECONDS = 3_600
BATCH = 500
Row = tuple[str, str, str, float, bytes]
TABLES = """
CREATE TABLE activity (id TEXT PRIMARY KEY, actor TEXT NOT NULL, kind TEXT NOT NULL, at REAL NOT NULL, body {bytes});
CREATE TABLE post (id INTEGER PRIMARY KEY, uri TEXT UNIQUE, author TEXT, parent TEXT, words TEXT, at REAL);
CREATE TABLE mention (post INTEGER, target TEXT, PRIMARY KEY (post, target));
CREATE TABLE member (inbox TEXT PRIMARY KEY);
CREATE TABLE outbox (id INTEGER PRIMARY KEY, body {bytes});
CREATE TABLE delivery (id INTEGER PRIMARY KEY, outbox INTEGER NOT NULL, inbox TEXT NOT NULL, due REAL);
CREATE INDEX delivery_due ON delivery (due);
"""
INSERT = "INSERT INTO activity (id, actor, kind, at, body) VALUES ({}, {}, {}, {}, {}) ON CONFLICT (id) DO NOTHING"


class Refused(Exception):
    """A request that does not hold."""


class Keys:
    """Public keys by id, each loaded once."""

    def __init__(self, pems: dict[str, str]) -> None:
        """Know the texts."""
        self._pems = pems
        self._loaded: dict[str, rsa.RSAPublicKey] = {}

    def get(self, key_id: str) -> rsa.RSAPublicKey:
        """Return a key; raises KeyError."""
        if key_id not in self._loaded:
            loaded = serialization.load_pem_public_key(self._pems[key_id].encode())
            assert isinstance(loaded, rsa.RSAPublicKey)
            self._loaded[key_id] = loaded
        return self._loaded[key_id]


def check(keys: Keys, request: Request, body: bytes) -> Row:
    """Verify a request and return its row. Raises Refused, KeyError, InvalidSignature."""
    fields = request.headers
    told = dict(PARAMETER.findall(fields["signature"]))
    names = told["headers"].split()
    sent = email.utils.parsedate_to_datetime(fields["date"]).timestamp()
    digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
    if not COVERED.issubset(names) or abs(time.time() - sent) > WINDOW_SECONDS:
        raise Refused
    if not hmac.compare_digest(fields["digest"].removeprefix("SHA-256="), digest):
        raise Refused
    target = f"post {request.url.path}"
    text = "\n".join(f"{name}: {target if name == '(request-target)' else fields[name]}" for name in names)
    made = base64.b64decode(told["signature"])
    keys.get(told["keyId"]).verify(made, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    activity = orjson.loads(body)
    owner = told["keyId"].partition("#")[0]
    if activity["actor"] != owner or activity["object"]["attributedTo"] != owner:
        raise Refused
    return activity["id"], owner, activity["type"], time.time(), body


class Writer:
    """One thread that puts everything that waits into one commit."""

    def __init__(self, flush: Callable[[list[Row]], None]) -> None:
        """Write by `flush`."""
        self._flush = flush
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self._woken = asyncio.Event()

    async def put(self, row: Row) -> None:
        """Return once a row is durable."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        self._woken.set()
        await future

    async def run(self) -> None:
        """Write until cancelled."""
        loop = asyncio.get_running_loop()
        while await self._woken.wait():
            self._woken.clear()
            while self._waiting:
                batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
                await loop.run_in_executor(self._thread, self._flush, [row for row, _ in batch])
                for _, future in batch:
                    if not future.done():
                        future.set_result(None)


class OnSqlite:
    """SQLite as the product has it: write-ahead log, full fsync."""

    def __init__(self, asked: dict[str, Any]) -> None:
        """Make an empty file with the tables."""
        self._group = asked["group"]
        self._store = self._process if asked["processed"] else self._accept
        self._connection = sqlite3.connect(asked["database"], isolation_level=None, check_same_thread=False)
        self._connection.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + TABLES.format(bytes="BLOB NOT NULL")
        )
        members = [(inbox,) for inbox in asked["inboxes"]]
        self._connection.executemany("INSERT INTO member VALUES (?)", members)

    def flush(self, rows: list[Row]) -> None:
        """Write rows in one commit."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._store(rows)
        self._connection.execute("COMMIT")

    def _accept(self, rows: list[Row]) -> None:
        self._connection.executemany(INSERT.format(*"?????"), rows)

    def _process(self, rows: list[Row]) -> None:
        for row in rows:
            if self._connection.execute(INSERT.format(*"?????"), row).rowcount:
                self._work(row)

    def _work(self, row: Row) -> None:
        execute = self._connection.execute
        note = orjson.loads(row[4])["object"]
        values = (note["id"], row[1], note.get("inReplyTo"), nh3.clean(note["content"]), row[3])
        post = execute("INSERT INTO post (uri, author, parent, words, at) VALUES (?, ?, ?, ?, ?)", values).lastrowid
        for tag in note["tag"]:
            if tag["type"] == "Mention":
                execute("INSERT INTO mention VALUES (?, ?) ON CONFLICT DO NOTHING", (post, tag["href"]))
        announce = orjson.dumps({"type": "Announce", "actor": self._group, "object": note["id"]})
        item = execute("INSERT INTO outbox (body) VALUES (?)", (announce,)).lastrowid
        execute("INSERT INTO delivery (outbox, inbox, due) SELECT ?, inbox, ? FROM member", (item, row[3]))


class OnPostgresql:
    """PostgreSQL with the same group commit, one statement for each."""

    def __init__(self, asked: dict[str, Any]) -> None:
        """Make the tables in an empty database."""
        self._connection = psycopg.connect(asked["database"], autocommit=True)
        self._connection.execute(TABLES.format(bytes="BYTEA NOT NULL"))

    def flush(self, rows: list[Row]) -> None:
        """Write rows in one commit."""
        arrays = "unnest(%s::text[], %s::text[], %s::text[], %s::float8[], %s::bytea[])"
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._connection.execute(
            f"INSERT INTO activity (id, actor, kind, at, body) SELECT * FROM {arrays} ON CONFLICT (id) DO NOTHING",
            columns,
        )


def application(asked: dict[str, Any]) -> Starlette:
    """Return the program."""
    keys = Keys(asked["keys"])
    store = OnPostgresql(asked) if asked["database"].startswith("postgresql") else OnSqlite(asked)
    writers: list[Writer] = []

    async def inbox(request: Request) -> Response:
        body = await request.body()
        try:
            row = check(keys, request, body)
        except (Refused, KeyError, InvalidSignature):
            return Response(status_code=401)
        await writers[0].put(row)
        return Response(status_code=202)

    @contextlib.asynccontextmanager
    async def alive(_: Starlette) -> AsyncIterator[None]:
        writers.append(Writer(store.flush))
        running = asyncio.create_task(writers[0].run())
        yield
        running.cancel()

    return Starlette(routes=[Route("/inbox", inbox, methods=["POST"])], lifespan=alive)


class Announcing(uvicorn.Server):
    """Says in one line that it is ready."""

    async def startup(self, sockets: Any = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        print(json.dumps({"ready": True}), flush=True)


def main() -> None:
    """Serve as asked."""
    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    config = uvicorn.Config(application(asked), host="127.0.0.1", port=asked["port"], loop="uvloop", http="httptools",
                            access_log=False, log_level="warning", timeout_keep_alive=60)  # fmt: skip
    Announcing(config).run()


if __name__ == "__main__":
    main()
