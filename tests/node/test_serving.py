"""Where a node listens, and what an operator reads when it cannot: one line, before anything of the node has begun."""

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from node.serving import CannotListen, bound
from tests.node.shell import Shell
from tests.served import CommandFailed, ServedNode, free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "0.0.0.0"])
def test_an_address_that_is_free_is_taken_once(host: str) -> None:
    port = free_port()
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(each) for each in bound(host, port)]
        assert {each.getsockname()[1] for each in taken} == {port}
        taken[0].listen()
        with pytest.raises(CannotListen, match=f"port {port}: another program listens there already"):
            bound(host, port)
    for each in bound(host, port):
        each.close()


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "x" * 300, "127.0.0.1:8000", "\udcff", ""])
def test_what_is_no_address_of_this_machine_is_told(host: str) -> None:
    with pytest.raises(CannotListen, match="no address of this machine"):
        bound(host, free_port())


def test_a_port_that_is_taken_is_told_in_one_line(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        told = shell.refused("serve", "--port", port)
    assert told == (
        f"cannot listen on 127.0.0.1 port {port}: another program listens there already: end it, or choose another "
        "--port"
    )


def test_a_port_that_is_taken_ends_the_program_with_one_line(tmp_path: Path) -> None:
    with ServedNode(tmp_path / "one") as one, ServedNode(tmp_path / "two") as two:
        two.stop()
        with pytest.raises(CommandFailed, match="another program listens there") as refused:
            two.command("serve", "--port", str(one.port))
        assert (refused.value.code, len(refused.value.stderr.splitlines())) == (1, 1)
        two.start()


def test_several_processes_serve_on_postgresql(tmp_path: Path, new_postgresql: Callable[[], str]) -> None:
    with ServedNode(tmp_path, database_url=new_postgresql(), serve_options=["--workers", "2"]) as node:
        assert httpx.get(f"{node.base}/health/live").status_code == 200
        with pytest.raises(CommandFailed, match="another program listens there") as refused:
            node.command("serve", "--workers", "2", "--port", str(node.port))
        assert (refused.value.code, len(refused.value.stderr.splitlines())) == (1, 1)
