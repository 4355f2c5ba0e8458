"""Command-line options made from declared settings, and help that shows them under headings.

Click has no groups of options of its own. Its hook for writing them (`Command.format_options`) needs a dozen lines for
that; rich-click and cloup bring the same with a dependency, and a look of their own for the whole program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args

import click

from automl.settings import GROUPS, NOTHING, Declared

F = TypeVar("F", bound=Callable[..., Any])


class Option(click.Option):
    """An option that stands under a heading of the help."""

    def __init__(self, *args: Any, heading: str = "Output", **more: Any) -> None:
        super().__init__(*args, **more)
        self.heading = heading


class GroupedCommand(click.Command):
    """A command whose help shows its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        found: dict[str, list[tuple[str, str]]] = {}
        for option in self.get_params(ctx):
            record = option.get_help_record(ctx)
            if record is not None and isinstance(option, click.Option):
                found.setdefault(getattr(option, "heading", "Output"), []).append(record)
        for heading in GROUPS:
            if heading in found:
                with formatter.section(heading):
                    formatter.write_dl(found[heading])


def option_of(one: Declared, *, explicit: bool = True) -> Callable[[F], F]:
    """Returns the option of a setting.

    Args:
        one: the setting.
        explicit: an option that is not given has no value, which tells what was given; False: it has its default.
    """
    given = one.setting
    default = one.default if given.on_command_line is NOTHING else given.on_command_line
    more: dict[str, Any] = {"metavar": given.unit or None, **_kind(one)}
    if _is_share(one):

        def both(function: F) -> F:
            off = f"--no-{one.name.replace('_', '-')}"
            again = click.option(off, one.name, cls=Option, heading=given.group, flag_value=0.0, help="The same as 0.")
            share = click.option(
                flags_of(one),
                one.name,
                cls=Option,
                heading=given.group,
                default=None,
                is_flag=False,
                flag_value=1.0,  # of the option without a value
                help=help_of(one),
                **more,
            )
            return share(again(function))

        return both
    return click.option(
        flags_of(one),
        one.name,
        cls=Option,
        heading=given.group,
        default=None if explicit else default,
        envvar=given.variable,
        help=help_of(one),
        **more,
    )


def flags_of(one: Declared) -> str:
    """Returns the flags of a setting, as Click takes them."""
    flag = one.name.replace("_", "-")
    return one.setting.flags or (f"--{flag}/--no-{flag}" if one.hint is bool else f"--{flag}")


def options_of(settings: Iterable[Declared], command: str) -> Callable[[F], F]:
    """Returns a decorator that adds the options of those settings that a command offers, see `option_of`."""
    wanted = [one for one in settings if command in one.setting.commands and one.setting.flags is not None]

    def decorate(function: F) -> F:
        for one in reversed(wanted):
            function = option_of(one)(function)
        return function

    return decorate


def help_of(one: Declared) -> str:
    """Returns a setting's help: its meaning, its default on the command line, and the values allowed."""
    given = one.setting
    words = one.default_in_words(given.on_command_line)
    notes = [f"default: {words}" if words else "", given.bounds]
    noted = "; ".join(note for note in notes if note)
    return f"{given.meaning}  [{noted}]" if noted else given.meaning


def said(options: Mapping[str, Any], settings: Iterable[Declared]) -> dict[str, Any]:
    """Returns the settings that were given on the command line, by name."""
    names = [one.name for one in settings if one.name in options]
    return {name: options[name] for name in names if options[name] not in (None, ())}


def with_defaults(given: Mapping[str, Any], settings: Iterable[Declared]) -> dict[str, Any]:
    """Adds to what was given the defaults that the command line has for itself."""
    own = {one.name: one.setting.on_command_line for one in settings if one.setting.on_command_line is not NOTHING}
    return {**own, **given}


def _is_share(one: Declared) -> bool:
    return bool in one.members and float in one.members


def _kind(one: Declared) -> dict[str, Any]:
    if _is_share(one):
        return {"type": float}
    kind = one.members[0]
    if one.choices:
        return {"type": click.Choice(one.choices), "metavar": None}
    if one.hint is bool:
        return {"metavar": None} if "/" in (one.setting.flags or "/") else {"metavar": None, "is_flag": True}
    if kind in (int, float):
        return {"type": kind}
    origin = getattr(kind, "__origin__", None)
    texts = isinstance(origin, type) and issubclass(origin, Sequence) and get_args(kind) == (str,)
    if texts or (isinstance(origin, type) and issubclass(origin, Mapping)):
        return {"multiple": True}
    return {"type": str} if origin is None else {"type": click.Path(path_type=Path)}
