"""Ending what has reached its end, by hand; and what the clock guard says."""

import asyncio
from collections.abc import Mapping

import click

from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell
from node.retaining import Retention
from privacy import retention as ground
from privacy.retention import Verdict
from privacy.unit_of_work import UnitOfWork


@click.group()
def retention() -> None:
    """End what has reached its end."""


@retention.command()
@click.option("--dry-run", is_flag=True, help="Tell how much would end, and end nothing.")
@as_json
@click.pass_obj
def run(environ: Mapping[str, str], *, dry_run: bool, json_wanted: bool) -> None:
    """Sweep now, as the served node does every five minutes."""
    with opened(environ) as node:
        sweeping = Retention(node)
        if dry_run:
            tell(dict(asyncio.run(sweeping.foretell())), json_wanted=json_wanted)
            return
        swept = asyncio.run(sweeping.sweep())
        if swept.verdict is not Verdict.GO:
            raise Refused(
                f"nothing was destroyed: {swept.verdict}. What has ended is hidden all the same. "
                "Look at the clock, then run kinfold retention resume --confirm"
            )
        told = {"ended": swept.hidden, "erased": swept.destroyed, "rows": {k: v for k, v in swept.rows.items() if v}}
        tell(told, json_wanted=json_wanted)


@retention.command()
@as_json
@click.pass_obj
def status(environ: Mapping[str, str], *, json_wanted: bool) -> None:
    """Show when a sweep ran last, and whether the clock guard holds it back."""
    with opened(environ) as node:
        tell(node.database.read_now(standing), json_wanted=json_wanted)


@retention.command()
@click.option("--confirm", is_flag=True, required=True, help="The clock and the counts are right.")
@click.pass_obj
def resume(environ: Mapping[str, str], *, confirm: bool) -> None:
    """Let sweeps of the next hour destroy what the clock guard held back."""
    assert confirm
    with opened(environ) as node:
        node.database.write_now(ground.confirm)
        click.echo("Sweeps of the next hour go ahead: kinfold retention run does one now.")


def standing(uow: UnitOfWork) -> dict[str, object]:
    """Return what is known of the last sweep."""
    held = ground.stopped_by(uow)
    return {"last_run": ground.last_run(uow), "held_back": held is not None, "why": held}
