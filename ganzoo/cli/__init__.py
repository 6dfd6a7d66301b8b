"""The command line: one file a command, each imported only when it is asked for."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from typing import Any

import click

import ganzoo
from ganzoo.cli.teaching import TeachingGroup
from ganzoo.errors import GanzooError, GanzooWarning, UserError, did_you_mean

COMMANDS = {
    "list": "ganzoo.cli.list",
    "show": "ganzoo.cli.show",
    "data": "ganzoo.cli.data",
    "train": "ganzoo.cli.train",
    "generate": "ganzoo.cli.generate",
    "interpolate": "ganzoo.cli.interpolate",
    "truncation": "ganzoo.cli.truncation",
    "mix": "ganzoo.cli.mix",
    "project": "ganzoo.cli.project",
    "edit": "ganzoo.cli.edit",
    "export": "ganzoo.cli.export",
    "runs": "ganzoo.cli.runs",
    "plugins": "ganzoo.cli.plugins",
    "plugin": "ganzoo.cli.plugin",
    "doctor": "ganzoo.cli.doctor",
}


class Zoo(TeachingGroup):
    """A group whose built-in commands are imported on demand, and to which plugins may add."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *sorted(set(self._from_plugins()) - set(COMMANDS))]

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name in COMMANDS:
            command: click.Command = getattr(importlib.import_module(COMMANDS[name]), name)
            return command
        return self._from_plugins().get(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and not ctx.resilient_parsing and self.get_command(ctx, name) is None:
            from ganzoo.registry import get_registry

            near = did_you_mean(name, self.list_commands(ctx))
            registry = get_registry()
            suspects = (f"it may come from {row}" for row in (*registry.broken, *registry.off))
            raise UserError(f"there is no command {name!r}{near}; `ganzoo --help` shows them all", *suspects)
        return super().resolve_command(ctx, args)

    def _from_plugins(self) -> dict[str, click.Command]:
        from ganzoo.registry import get_registry

        return {name: command for name, (command, _) in get_registry().commands(COMMANDS).items()}


def leave_plugins_out(ctx: click.Context, option: click.Parameter, wanted: bool) -> None:
    """`--no-plugins`: for this command and the processes that it starts, whatever was loaded before."""
    from ganzoo.discovery import NO_PLUGINS
    from ganzoo.registry import get_registry

    if not wanted or NO_PLUGINS in os.environ:
        return

    def as_before() -> None:
        del os.environ[NO_PLUGINS]
        get_registry.cache_clear()

    os.environ[NO_PLUGINS] = "1"
    get_registry.cache_clear()
    ctx.call_on_close(as_before)


@click.group(cls=Zoo, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(ganzoo.__version__, "-V", "--version", prog_name="ganzoo")
@click.option(
    "--no-plugins",
    is_flag=True,
    is_eager=True,  # before the command is looked for, which may be a plugin's
    expose_value=False,
    callback=leave_plugins_out,
    help="Load only what comes with ganzoo itself.",
)
def zoo() -> None:
    """A zoo of generative adversarial networks: train, compare and extend them.

    \b
    ganzoo list                 the architectures
    ganzoo train EXAMPLE        train one on pictures that ship with it
    ganzoo generate             pictures from the newest run; with --input PATH what it makes of yours
    ganzoo show EXAMPLE         its paper, settings and recipes
    """


def main(arguments: list[str] | None = None) -> None:
    """The console script: a person's mistake is one clear line and exit code 2, never a traceback."""
    usual = warnings.showwarning
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
        if issubclass(category, GanzooWarning):
            if str(message) not in told:  # a run may be opened more than once on the way
                told.add(str(message))
                click.echo(f"ganzoo: warning: {message}", err=True)
        else:
            usual(message, category, *where)

    warnings.showwarning = show  # type: ignore[assignment]
    try:
        code = zoo.main(args=arguments, prog_name="ganzoo", standalone_mode=False)
    except GanzooError as error:
        for line in error.lines:
            click.echo(f"ganzoo: {line}", err=True)
        code = error.exit_code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("ganzoo: stopped", err=True)
        code = 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code if isinstance(code, int) else 0)
