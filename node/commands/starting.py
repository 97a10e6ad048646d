"""Making a node, and having it serve: init, serve, jobs, migrate."""

import os
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import click

from activitypub.actors import actor_by_uri, ensure_instance_actor, make_key_pair
from activitypub.uris import Uris
from groups.founding import NewGroup
from groups.people import ACTORS
from groups.places import local_groups
from node.commands.founding import found
from node.commands.running import Refused, has_tables, opened, read_settings
from node.engines import database_url
from node.keys import bind, make_keys
from node.locking import JOBS, SERVING, HeldAlready, held, lock_of
from node.migrating import migrate, revision_of
from node.reasons import sentence
from node.settings import NODE_FILE, Settings, is_loopback
from node.wiring import Node
from privacy.accounts import AccountView, account_named, list_accounts, make_sign_in_link
from privacy.errors import KeyringRefused
from privacy.unit_of_work import UnitOfWork
from web.links import sign_in_link
from web.registration import NewMember, register_member

BOTH: Final = (SERVING, JOBS)
DEFAULT_PORT: Final = 8000
DEFAULT_HOST: Final = "127.0.0.1"
WELCOME: Final = "welcome"
ONLY_ONE: Final = {
    SERVING: "this node is served already, and SQLite is served by one process: end that one first, or set "
    "KINFOLD_DATABASE_URL to PostgreSQL",
    JOBS: "another process runs the background loops already: end it first, or use serve --no-jobs beside kinfold jobs",
}
"""Why a second process is refused, by the lock that the first one holds."""
CHANGING: Final = "another process serves this node, runs its background loops or changes its tables: end it first"
"""Why nothing is made or changed under another process."""
WELCOME_ABOUT: Final = (
    "Say hello, try things out, ask how something works. What is written here is seen by the members of this group "
    "only, and ends after 90 days."
)


@click.command()
@click.option("--domain", required=True, metavar="D", help="Host, and port if any, in handles and ids; for good.")
@click.option("--title", metavar="T", help="What the node is called.")
@click.option("--owner", default="owner", show_default=True, metavar="NAME", help="Name of the first account.")
@click.option("--welcome", is_flag=True, help="Make a welcome group too, where there is no group yet.")
@click.option("--no-link", is_flag=True, help="Print no sign-in link.")
@click.pass_obj
def init(
    environ: Mapping[str, str], domain: str, title: str | None, owner: str, *, welcome: bool, no_link: bool
) -> None:
    """Make the data directory, the keys and the owner; safe to repeat. Prints a one-time sign-in link."""
    environ = {**environ, "KINFOLD_DOMAIN": domain, **({"KINFOLD_TITLE": title} if title else {})}
    settings = read_settings(environ)
    _check_written(settings)
    try:
        make_keys(settings)
    except OSError as error:
        raise Refused(sentence(error)) from error
    except KeyringRefused as error:
        raise Refused(str(error)) from error
    with opened(environ, checked=False) as node, _alone(settings, *(() if _is_made(node) else BOTH), why=CHANGING):
        _bring_up(node)
        bind(node.database)
        keys = make_key_pair() if node.database.read_now(actor_by_uri, node.uris.instance_actor) is None else None
        if keys is not None:
            node.database.write_now(_check_domain, node.uris)
            node.database.write_now(ensure_instance_actor, node.uris, keys)
        account = node.database.read_now(owner_account, owner) or _make_owner(node, owner)
        if welcome and not node.database.read_now(local_groups):
            _make_welcome_group(node, account)
        _write_down(settings, title)  # last, as the sign that the node is whole
        if not no_link:
            _print_link(node, account)


@click.command()
@click.option("--host", default=DEFAULT_HOST, show_default=True, help="Address to listen on.")
@click.option("--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(1, 65_535), help="Port.")
@click.option(
    "--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes (PostgreSQL only)."
)
@click.option("--no-jobs", is_flag=True, help="Leave the background loops to kinfold jobs.")
@click.option("--sign-in-link", "with_link", is_flag=True, help="Print a one-time sign-in link for the owner too.")
@click.pass_obj
def serve(environ: Mapping[str, str], host: str, port: int, workers: int, *, no_jobs: bool, with_link: bool) -> None:
    """Serve the node: for people, for their apps and for other servers."""
    # Imported late: no other command should pay for a web server.
    from node.serving import CannotListen, serve_here, serve_with_workers  # noqa: PLC0415 - heavy, and only for this command

    settings = read_settings(environ)
    _check_serving(settings, host, workers)
    try:
        with opened(environ, checked=False) as node, _alone(settings, SERVING, *(() if no_jobs else (JOBS,))):
            _check_tables(node, *((JOBS,) if no_jobs else ()))
            bind(node.database)
            _check_made(node)
            owner = node.database.read_now(owner_account, "owner") if with_link else None
            if owner is not None:
                _print_link(node, owner)
            if workers == 1:
                serve_here(node, host, port, jobs=not no_jobs)
        if workers > 1:
            serve_with_workers(settings, host, port, workers, jobs=not no_jobs)
    except CannotListen as error:
        raise Refused(str(error)) from error


@click.command()
@click.pass_obj
def jobs(environ: Mapping[str, str]) -> None:
    """Run the background loops alone: beside kinfold serve --no-jobs."""
    from node.serving import run_jobs  # noqa: PLC0415 - heavy, and only for this command

    with opened(environ) as node, _alone(node.settings, JOBS):
        bind(node.database)
        _check_made(node)
        run_jobs(node)


@click.command(name="migrate")
@click.pass_obj
def migrate_tables(environ: Mapping[str, str]) -> None:
    """Bring the tables of the database to this version."""
    with opened(environ, checked=False) as node:
        if has_tables(node):
            click.echo("The tables are as this version needs them.")
            return
        with _alone(node.settings, *BOTH, why=CHANGING):
            migrate(database_url(node.settings.database_url.reveal()))
        click.echo("The tables were brought to this version.")


# ── parts of init ────────────────────────────────────────────────────────────────────────────────────────────────────


def owner_account(uow: UnitOfWork, name: str) -> AccountView | None:
    """Return the account of this name, or else the first owner that there is, or None for a new node."""
    found = account_named(uow, name)
    if found is not None:
        return found
    return next((account for account in list_accounts(uow) if account.role == "owner"), None)


def _check_written(settings: Settings) -> None:
    """Raise Refused for a domain other than the node's own."""
    known = _written(settings)
    if known.get("domain", settings.domain) != settings.domain:
        raise Refused(
            f"this node is {known['domain']} and stays so: its addresses are known to others. "
            "Use another KINFOLD_DATA_DIR for another node"
        )


def _written(settings: Settings) -> dict[str, str]:
    path = settings.data_dir / NODE_FILE
    return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}


def _write_down(settings: Settings, title: str | None) -> None:
    """Keep domain and title in the data directory."""
    path, known = settings.data_dir / NODE_FILE, _written(settings)
    written = {"domain": settings.domain, "title": title or known.get("title", settings.title)}
    if written != known:
        _replace(path, "".join(f"{name} = {_quoted(value)}\n" for name, value in written.items()))


def _replace(path: Path, text: str) -> None:
    """Put a whole file in the place of an older one, which stays as it is until then. Raises Refused."""
    beside = path.with_name(f"{path.name}.new")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError as error:
        raise Refused(sentence(error)) from error


def _quoted(text: str) -> str:
    plain = "".join(character for character in text if unicodedata.category(character) != "Cc")
    return '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bring_up(node: Node) -> None:
    """Make the tables of a new database, or those of this version on SQLite. Raises Refused for an older PostgreSQL."""
    if has_tables(node):
        return
    if not node.settings.on_sqlite and node.database.read_now(revision_of) is not None:
        raise Refused("the database has older tables than this version needs: run kinfold migrate")
    migrate(database_url(node.settings.database_url.reveal()))


def _check_domain(uow: UnitOfWork, uris: Uris) -> None:
    """Raise Refused when the database is that of another node."""
    if uow.connection.execute(ACTORS.select().where(ACTORS.c.local.is_(True)).limit(1)).first() is not None:
        raise Refused(f"the database belongs to another node than {uris.domain}")


def _print_link(node: Node, account: AccountView) -> None:
    token = node.database.write_now(make_sign_in_link, account.id)
    click.echo(f"Sign in as {account.name} (works once, for an hour): {sign_in_link(node.uris.base_url, token)}")


def _make_owner(node: Node, name: str) -> AccountView:
    member = NewMember(name, name.title(), role="owner")
    node.database.write_now(register_member, node.uris, member, make_key_pair())
    made = node.database.read_now(account_named, name)
    assert made is not None
    return made


def _make_welcome_group(node: Node, owner: AccountView) -> None:
    new = NewGroup(id=0, handle=WELCOME, token="", title="Welcome", about=WELCOME_ABOUT, join_rule="open")
    found(node, new, owner.name)


# ── parts of serve ───────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _alone(settings: Settings, *locks: str, why: str = "") -> Iterator[None]:
    """Be the only process that does something on an SQLite node; PostgreSQL has room for many. Raises Refused."""
    file = settings.sqlite_file
    paths = {} if file is None else {name: lock_of(file, name) for name in locks}
    with ExitStack() as stack:
        for name, path in paths.items():
            try:
                stack.enter_context(held(path))
            except HeldAlready as error:
                raise Refused(why or ONLY_ONE[name]) from error
        yield


def _check_serving(settings: Settings, host: str, workers: int) -> None:
    if settings.development and not is_loopback(host):
        raise Refused("development mode listens on this machine only: use --host 127.0.0.1, or leave it off")
    if workers > 1 and settings.on_sqlite:
        raise Refused("SQLite is served by one process; for --workers above 1 set KINFOLD_DATABASE_URL to PostgreSQL")
    for name in settings.without_effect:
        click.echo(f"kinfold: {name} has no effect in this version", err=True)
    if not settings.development and Path("/proc/swaps").exists() and _swaps():
        click.echo("kinfold: this machine swaps to disk: encrypt the swap, or keys may be written there", err=True)


def _swaps() -> bool:
    return len(Path("/proc/swaps").read_text("utf-8").splitlines()) > 1


def _check_tables(node: Node, *locks: str) -> None:
    """Bring the tables of an SQLite node to this version, under these locks too. Raises Refused for PostgreSQL."""
    if has_tables(node):
        return
    if not node.settings.on_sqlite:
        raise Refused("the database has older tables than this version needs: run kinfold migrate")
    with _alone(node.settings, *locks, why=CHANGING):
        migrate(database_url(node.settings.database_url.reveal()))


def _is_made(node: Node) -> bool:
    return has_tables(node) and node.database.read_now(actor_by_uri, node.uris.instance_actor) is not None


def _check_made(node: Node) -> None:
    if node.database.read_now(actor_by_uri, node.uris.instance_actor) is None:
        raise Refused(f"there is no node {node.uris.base_url} in this database: run kinfold init --domain D first")
