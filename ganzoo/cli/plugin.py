"""`ganzoo plugin`: write a package of one's own, and check that it keeps what ganzoo asks of it."""

from __future__ import annotations

import click

from ganzoo.cli.plugin_check import check
from ganzoo.cli.plugin_new import new


@click.group()
def plugin() -> None:
    """Architectures, data sets and metrics of your own: packages that ganzoo finds once they are installed."""


plugin.add_command(new)
plugin.add_command(check)
