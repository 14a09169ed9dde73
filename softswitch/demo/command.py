"""`softswitch demo`."""

from pathlib import Path

import click


@click.command(short_help="The switch with callers and agents of its own, in a minute.")
@click.option("--calls", type=click.IntRange(min=0), default=0, help="End after this many calls, with a summary.")
@click.option("--seconds", type=click.FloatRange(min=0), default=0.0, help="Take new calls for this long, then end.")
@click.option("--rate", type=click.FloatRange(min=0.01, max=50), default=0.7, show_default=True, help="Calls a second.")
@click.option("--agents", type=click.IntRange(1, 60), default=6, show_default=True, help="How many agents.")
@click.option("--seed", type=int, help="Play the same day again, as far as time allows.")
@click.option("--keep", type=click.Path(path_type=Path), metavar="DIR", help="Keep database and recordings there.")
@click.option("--listen", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="0.0.0.0 for your network.")
@click.option("--port", type=click.IntRange(0, 65535), help="SIP port; 5060 if it is free.  [0: any free one]")
@click.pass_context
def demo(
    context: click.Context,
    calls: int,
    seconds: float,
    rate: float,
    agents: int,
    seed: int | None,
    keep: Path | None,
    listen: str,
    port: int | None,
) -> None:
    """Start the whole switch with real SIP callers and agents of our own, and show what happens.

    Callers come over a carrier trunk on loopback, choose from the menu by keys, wait with music and talk to agents;
    everyone measures what they hear. With --calls or --seconds it ends by itself, with exit code 0 only if every
    check holds. Ctrl-C ends it at any time.
    """
    from softswitch.demo.show import Options, play

    context.exit(play(Options(calls, seconds, rate, agents, seed, keep, listen, port)))
