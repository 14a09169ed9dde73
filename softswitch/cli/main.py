"""The entry point: finds the command, and turns every error into one clear line and an exit code.

0 fine; 1 failed, or a problem was found; 2 wrong usage; 3 the switch cannot be reached.
"""

import os
import sys
from importlib import import_module
from typing import Any, Final

import click

from softswitch import __version__
from softswitch.cli.failures import OutOfReach
from softswitch.kernel.errors import SwitchError

_COMMANDS: Final = {
    "run": "softswitch.cli.run:run",
    "demo": "softswitch.demo.command:demo",
    "check": "softswitch.cli.check:check",
    "doctor": "softswitch.cli.doctor:doctor",
    "certificate": "softswitch.cli.certificate:certificate",
    "status": "softswitch.cli.live:status",
    "calls": "softswitch.cli.live:calls",
    "agents": "softswitch.cli.live:agents",
    "queues": "softswitch.cli.live:queues",
    "trunks": "softswitch.cli.live:trunks",
    "registrations": "softswitch.cli.live:registrations",
    "phones": "softswitch.cli.phones:phones",
    "mailboxes": "softswitch.cli.mailboxes:mailboxes",
    "conferences": "softswitch.cli.conferences:conferences",
    "hangup": "softswitch.cli.orders:hangup",
    "supervise": "softswitch.cli.talks:supervise",
    "transfer": "softswitch.cli.talks:transfer",
    "agent": "softswitch.cli.orders:agent",
    "queue": "softswitch.cli.orders:queue",
    "call": "softswitch.cli.live_changes:call",
    "customers": "softswitch.cli.customers:customers",
    "hooks": "softswitch.cli.live_changes:hooks",
    "diff": "softswitch.cli.live_changes:diff",
    "bans": "softswitch.cli.defence:bans",
    "ban": "softswitch.cli.defence:ban",
    "unban": "softswitch.cli.defence:unban",
    "password": "softswitch.cli.passwords:password",
    "token": "softswitch.cli.passwords:token",
    "callbacks": "softswitch.cli.callbacks:callbacks",
    "reload": "softswitch.cli.orders:reload",
    "drain": "softswitch.cli.orders:drain",
    "trace": "softswitch.cli.trace:trace",
    "simulate": "softswitch.cli.simulate:simulate",
    "staff": "softswitch.cli.staff:staff",
    "why": "softswitch.cli.why:why",
    "records": "softswitch.cli.archive:records",
    "report": "softswitch.cli.report:report",
    "ledger": "softswitch.cli.ledger:ledger",
    "recordings": "softswitch.cli.recordings:recordings",
    "prompts": "softswitch.cli.prompts:prompts",
    "provision": "softswitch.cli.provision:provision",
    "completion": "softswitch.cli.completion:completion",
}
_INTERRUPTED: Final = 130


class Failure(click.ClickException):
    """An error as people see it: one line on standard error."""

    def show(self, file: Any = None) -> None:
        click.echo(f"softswitch: {self.message}", file=file or sys.stderr)


class Unreachable(Failure):
    """Nobody answered."""

    exit_code = 3


class Commands(click.Group):
    """Imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, _, name = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            close = get_close_matches(args[0], _COMMANDS, 1)
            if close:
                raise click.UsageError(f'No such command "{args[0]}". Did you mean "{close[0]}"?', ctx) from error
            raise

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except OutOfReach as error:
            raise Unreachable(str(error)) from error
        except SwitchError as error:
            raise Failure(str(error)) from error
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:  # `softswitch calls | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V", message="softswitch %(version)s")
def cli() -> None:
    """A SIP softswitch with a built-in automatic call distributor.

    `softswitch demo` shows it at work in a minute. Commands that read take --json.
    """


def main() -> None:
    """The program `softswitch`."""
    cli(prog_name="softswitch")
