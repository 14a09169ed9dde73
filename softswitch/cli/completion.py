"""`softswitch completion`: the script that makes a shell complete commands and options."""

import click

_WHERE = {
    "bash": '# add to ~/.bashrc:  eval "$(softswitch completion bash)"',
    "zsh": '# add to ~/.zshrc:  eval "$(softswitch completion zsh)"',
    "fish": "# save as ~/.config/fish/completions/softswitch.fish",
}


@click.command(short_help="Completion for bash, zsh or fish.")
@click.argument("shell", type=click.Choice(tuple(_WHERE)))
def completion(shell: str) -> None:
    """Print the completion script of SHELL."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from softswitch.cli.main import cli

    kind = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}[shell]
    click.echo(_WHERE[shell])
    # not `source()`: for bash that starts a shell to ask for its version
    complete = kind(cli, {}, "softswitch", "_SOFTSWITCH_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
