"""Serving: the program as a process that listens, and ends in order when it is told to."""

import asyncio
import contextlib
import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

import click
import uvicorn
import uvloop
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from node.app import create_app, end_faces
from node.faces import join_faces
from node.logs import set_up_logs
from node.reasons import sentence
from node.settings import Settings, settings_of_process
from node.wiring import Node, build_node
from node.worker import LAST_WORK_SECONDS, Worker

SWITCH_SECONDS: Final = 0.0005
"""How often threads take turns: the database thread must not keep requests waiting (stack reference §5)."""
COLLECTED_AFTER: Final = (20_000, 20, 20)
"""Requests leave few cycles behind: to look for them after every 700 objects costs a twentieth of the work."""
KEEP_ALIVE_SECONDS: Final = 75
MOST_AT_ONCE: Final = 2_000
ENDING_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
NOT_HERE: Final = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class CannotListen(Exception):
    """The address is taken or not ours, or the application did not start; said in a sentence."""


class Announcing(uvicorn.Server):
    """Says when it listens, and ends with 0 when it is asked to end."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        """Serve as configured; `on_ready` is called once requests are answered."""
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen."""
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take a signal as a wish to end; unlike uvicorn's own, do not raise it again afterwards."""
        before = {each: signal.signal(each, self.handle_exit) for each in ENDING_SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def tune_interpreter() -> None:
    """Let threads take turns quickly, and the collector of cycles leave alone what lives as long as the process."""
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def serve_here(node: Node, host: str, port: int, *, jobs: bool) -> None:
    """Serve a node in this process until it is told to end. Raises CannotListen."""
    sockets = bound(host, port)
    tune_interpreter()
    config = uvicorn.Config(create_app(node, jobs=jobs), host=host, port=port, **_options(node.settings))
    server = Announcing(config, lambda: click.echo(f"{node.settings.title} is ready: {node.uris.base_url}"))
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve(sockets))
    except SystemExit as end:  # uvicorn's way of saying that the application did not start
        raise CannotListen("the node could not be started: the log above says why") from end


def serve_with_workers(settings: Settings, host: str, port: int, workers: int, *, jobs: bool) -> None:
    """Serve with several processes, each of which builds the node anew from the settings. Raises CannotListen."""
    made = "served_with_jobs" if jobs else "served"
    sockets = bound(host, port)
    click.echo(f"{settings.title} starts {workers} processes: {settings.base_url}")
    config = uvicorn.Config(
        f"node.serving:{made}", factory=True, workers=workers, host=host, port=port, **_options(settings)
    )
    Multiprocess(config, sockets=sockets).run()


def bound(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address of a host, taken but not yet listening. Raises CannotListen.

    Bound here, and not by uvicorn, so that nothing of the node has begun when the address is not to be had.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise CannotListen(f"cannot listen on {host}: it is no address of this machine") from error
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as unless_all:
        for family, kind, protocol, _, address in dict.fromkeys(found):
            try:
                sockets.append(unless_all.enter_context(_bound(family, kind, protocol, address)))
            except OSError as error:
                if error.errno not in NOT_HERE:  # `localhost` may name an address of IPv6 where there is none
                    raise CannotListen(f"cannot listen on {host} port {port}: {_why_not(error)}") from error
        unless_all.pop_all()
    if not sockets:
        raise CannotListen(f"cannot listen on {host}: it is no address of this machine")
    return sockets


def _bound(family: int, kind: int, protocol: int, address: Any) -> socket.socket:
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made


def _why_not(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there already: end it, or choose another --port"
    if error.errno == errno.EACCES:
        return "this user may not use that port: choose a --port above 1023, behind a proxy"
    return sentence(error)


def served() -> ASGIApp:
    """Return the application for one process of several, without background loops."""
    return _made(jobs=False)


def served_with_jobs() -> ASGIApp:
    """Return the application for one process of several, with background loops."""
    return _made(jobs=True)


def run_jobs(node: Node) -> None:
    """Run the background loops alone until the process is told to end."""
    tune_interpreter()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_jobs(node))


async def _jobs(node: Node) -> None:
    faces = join_faces(node)
    worker, told = Worker(node, faces), asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in ENDING_SIGNALS:
        loop.add_signal_handler(each, told.set)
    worker.start()
    await told.wait()
    await worker.stop()
    await end_faces(faces)


def _made(*, jobs: bool) -> ASGIApp:
    settings = settings_of_process()
    set_up_logs(settings.log_format)
    tune_interpreter()
    return create_app(build_node(settings), jobs=jobs)


def _options(settings: Settings) -> dict[str, Any]:
    return {
        "loop": "uvloop",
        "http": "httptools",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": list(settings.trusted_proxies),
        "timeout_keep_alive": KEEP_ALIVE_SECONDS,
        "timeout_graceful_shutdown": int(2 * LAST_WORK_SECONDS),
        "limit_concurrency": MOST_AT_ONCE,
    }
