"""Settings: those of parts (`--set population=100`) and the engine's own (`trials=100`), checked before they are used.

A part's settings are the fields of its class or the parameters of its function: see `known` and `make`. The engine's
own settings are declared once each, as fields of a dataclass made with `setting`. The signature and the help of
`automl.search`, the options of the command line, the checks of values and the table in docs/settings.md are all made
from that declaration.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import numbers
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from automl import registry
from automl.errors import AutoMLError, InvalidInput, brief
from automl.jsontext import canonical

T = TypeVar("T")


def known(part: Callable[..., Any]) -> dict[str, Any]:
    """Returns the settings of a class or function as a dict from name to default value.

    For a dataclass these are its fields, for any other callable its parameters. A setting without a default has
    `inspect.Parameter.empty`. A callable without a signature (some builtins) gives an empty dict.

    Example:
        >>> from automl.strategies.evolution import RegularizedEvolution
        >>> known(RegularizedEvolution)["population"]
        100
    """
    if dataclasses.is_dataclass(part):
        return {
            item.name: item.default
            if item.default is not dataclasses.MISSING
            else item.default_factory()
            if item.default_factory is not dataclasses.MISSING
            else inspect.Parameter.empty
            for item in dataclasses.fields(part)
            if item.init
        }
    try:
        parameters = inspect.signature(part).parameters
    except (TypeError, ValueError):  # a class of Python's own, such as dict or functools.partial, names none
        return {}
    return {name: parameter.default for name, parameter in parameters.items() if name not in ("args", "kwargs")}


def make(part: Callable[..., T], settings: Mapping[str, Any], what: str) -> T:
    """Calls a class or function with settings, after checking their names and types.

    Raises:
        InvalidInput: a setting is unknown or missing, has a value of another type than the default, or is refused by
            the class or function itself.

    Example:
        >>> from automl.strategies.evolution import RegularizedEvolution
        >>> make(RegularizedEvolution, {"population": 20}, "strategy evolution").population
        20
        >>> make(RegularizedEvolution, {"popluation": 20}, "strategy evolution")
        Traceback (most recent call last):
        automl.errors.InvalidInput: unknown setting of strategy evolution 'popluation'; did you mean population?
    """
    allowed = known(part)
    fitted = {}
    for name, value in settings.items():
        if name not in allowed:
            raise InvalidInput(registry.unknown(f"setting of {what}", name, allowed))
        fitted[name] = _fit(value, allowed[name], f"{what}: {name}")
    missing = [name for name, default in allowed.items() if default is inspect.Parameter.empty and name not in fitted]
    if missing:
        raise InvalidInput(f"{what} needs {missing[0]!r}; give --set {missing[0]}=VALUE")
    try:
        return part(**fitted)
    except AutoMLError:
        raise
    except Exception as error:  # a part may trip over a value of another kind in any way
        why = f"{error}" if isinstance(error, TypeError | ValueError) else f"{type(error).__name__}: {error}"
        raise InvalidInput(f"{what} refuses {dict(settings)}: {why}") from error


def _fit(value: Any, default: Any, what: str) -> Any:
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise InvalidInput(f"{what}={value!r}: it must be true or false")
    elif isinstance(default, int) and not isinstance(default, bool):
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidInput(f"{what}={value!r}: it must be a whole number")
        if not -(1 << 63) <= value < 1 << 63:
            raise InvalidInput(f"{what}={brief(value)}: it must be a whole number of at most 64 bits")
    elif isinstance(default, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InvalidInput(f"{what}={value!r}: it must be a number")
        return float(value)
    elif isinstance(default, str) and isinstance(value, bool | int | float):
        return canonical(value)  # `--set name=201` was meant as a text; an object is what it is
    elif isinstance(default, str) and isinstance(value, list | dict):
        raise InvalidInput(f"{what}={value!r}: it must be a text")
    elif isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    return value


# --- the engine's own settings ----------------------------------------------------------------------------------------

Group = Literal["Budget", "Search", "Cache", "Evidence", "Workers", "Storage", "Output"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""The headings under which help and docs show the settings, in that order."""

MOST = 1_000_000
"""The highest count of what a search makes room for, or evaluates, all at once."""

NOTHING: Any = inspect.Parameter.empty
"""Stands where a declaration says nothing; None may be a value."""


@dataclass(frozen=True)
class Setting:
    """Meaning of a setting, its bounds, and how help texts and the command line show it.

    Attributes:
        meaning: One or two sentences, shown by the command line, `help(automl.search)` and the documentation.
        group: Heading under which the setting is shown.
        lowest, highest: Bounds of the allowed values, both included; None sets no bound.
        above: Bound that values must exceed; None sets no bound.
        otherwise: Text that says what happens if the setting is left out; if empty, the default is shown.
        before: Value that is assumed for studies stored before the setting existed.
        flags: Option names on the command line. If empty, the option is made of the setting's name; None offers no
            option.
        unit: Placeholder for the value in the help, such as N.
        commands: Names of the commands that offer the option.
        variable: Name of an environment variable that the command line reads too; None reads none.
        on_command_line: Default on the command line, if it differs from the field's.

    Example:
        >>> Setting("How many workers there are.", group="Workers", lowest=0, highest=64).bounds
        'between 0 and 64'
    """

    meaning: str
    group: Group
    lowest: float | None = None
    highest: float | None = None
    above: float | None = None
    otherwise: str = ""
    before: Any = NOTHING
    flags: str | None = ""
    unit: str = ""
    commands: tuple[str, ...] = ("search", "baseline")
    variable: str | None = None
    on_command_line: Any = NOTHING

    @property
    def bounds(self) -> str:
        """Allowed values in words; empty if all are allowed."""
        if self.lowest is not None and self.highest is not None and self.highest < MOST:
            return f"between {self.lowest:g} and {self.highest:g}"
        if self.lowest is not None:
            return f"{self.lowest:g} or more"
        return "" if self.above is None else f"more than {self.above:g}"


def setting(default: T, meaning: str, *, group: Group, shown: bool = True, **more: Any) -> T:
    """Returns a dataclass field with a default, to which the meaning and the bounds of a setting are attached.

    Only `check` enforces the bounds: call it in `__post_init__` of the dataclass.

    Args:
        default: Default value of the field; immutable, as for any dataclass field.
        meaning: One or two sentences for users.
        group: Heading under which the setting is shown; one of `Group`.
        more: Other attributes of `Setting` by keyword, such as `lowest`, `highest` and `unit`.
        shown: If False, the dataclass's `repr` leaves the value out (for values that may hold a password).

    Example:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Oven:
        ...     degrees: int = setting(180, "How hot it gets.", group="Workers", lowest=30)
        >>> Oven().degrees
        180
        >>> declared(Oven)["degrees"].setting.bounds
        '30 or more'
    """
    return dataclasses.field(
        default=default,
        repr=shown,
        metadata={"setting": Setting(meaning=meaning, group=group, **more)},
    )


@dataclass(frozen=True)
class Declared:
    """One setting of a dataclass: name, type, default and declaration.

    Attributes:
        name: Name of the field.
        hint: Type annotation of the field.
        default: Default of the field; NOTHING if a value is required.
        setting: Declaration of the setting: meaning, group, bounds.

    Example:
        >>> from automl.rules import Budget
        >>> trials = declared(Budget)["trials"]
        >>> trials.setting.group, trials.default, trials.fit(100)
        ('Budget', None, 100)
        >>> trials.fit(2.5)
        Traceback (most recent call last):
        automl.errors.InvalidInput: trials=2.5: it must be a whole number
    """

    name: str
    hint: Any
    default: Any
    setting: Setting

    @property
    def members(self) -> tuple[Any, ...]:
        """Allowed types, without None."""
        union = get_origin(self.hint) in (Union, types.UnionType)
        return tuple(one for one in get_args(self.hint) if one is not type(None)) if union else (self.hint,)

    @property
    def choices(self) -> tuple[str, ...]:
        """Allowed values of a `Literal`; empty for other types."""
        return get_args(self.members[0]) if get_origin(self.members[0]) is Literal else ()

    def default_in_words(self, default: Any = NOTHING) -> str:
        """Returns what happens if the setting is left out; empty if there is no default to show.

        Args:
            default: default to show, if it differs from the field's.
        """
        default = self.default if default is NOTHING else default
        if self.setting.otherwise:
            return self.setting.otherwise
        if default is None or default == () or default is NOTHING:
            return ""
        return {True: "yes", False: "no"}[default] if isinstance(default, bool) else str(default)

    def fit(self, value: Any) -> Any:
        """Returns a value converted to its type: numbers of other libraries to Python's, sequences to tuples.

        Raises:
            InvalidInput: the value has another type, or is out of bounds.
        """
        if value is None and type(None) in get_args(self.hint):
            return None
        kind = self.members[0]
        origin = get_origin(kind)
        if self.choices:
            if not isinstance(value, str) or value not in self.choices:
                self._refuse(value, " or ".join(map(repr, self.choices)))
        elif kind is bool:
            return self._switch(value)
        elif kind in (int, float):
            return self._number(value, kind)
        elif origin is not None and issubclass(origin, Mapping):
            if not isinstance(value, Mapping):
                self._refuse(value, "a dictionary of names and values")
        elif origin is not None and issubclass(origin, Sequence):
            return self._sequence(value, *get_args(kind))
        elif int in self.members and not isinstance(value, bool) and isinstance(value, numbers.Integral):
            return int(value)
        elif not any(get_origin(one) is Callable for one in self.members):
            self._object(value)
        return value

    def _number(self, value: Any, kind: type) -> Any:
        whole = kind is int
        right = numbers.Integral if whole else numbers.Real
        if isinstance(value, bool) or not isinstance(value, right):
            self._refuse(value, "a whole number" if whole else "a number")
        number = value if isinstance(value, int | float) else kind(value)
        given = self.setting
        if not math.isfinite(number):
            self._refuse(number, "a finite number")
        if given.highest is not None and number > given.highest >= MOST:
            self._refuse(number, f"{given.highest:,} at most")
        if (
            (given.lowest is not None and number < given.lowest)
            or (given.highest is not None and number > given.highest)
            or (given.above is not None and number <= given.above)
        ):
            self._refuse(number, given.bounds)
        return number

    def _switch(self, value: Any) -> bool | float:
        """Reads a switch, or one that may be a share: 0 is False and 1 is True."""
        if isinstance(value, bool):
            return value
        if float not in self.members:
            self._refuse(value, "True or False")
        if not isinstance(value, numbers.Real):
            self._refuse(value, "True, False or a share between 0 and 1")
        share = self._number(value, float)
        return bool(share) if share in (0, 1) else float(share)

    def _sequence(self, value: Any, item: Any) -> tuple[Any, ...]:
        functions = get_origin(item) is Callable
        if item is str and isinstance(value, str):
            value = (value,)
        named = "functions" if functions else "values" if item is Any else f"objects of {item.__name__}"
        if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable):
            self._refuse(value, f"a list of {named}")
        found = tuple(value)
        for number, one in enumerate(found):
            fits = callable(one) and not inspect.isclass(one) if functions else item is Any or isinstance(one, item)
            if not fits:
                what = "a function of (study, trial)" if functions else f"an object of {item.__name__}"
                self._refuse(one, what, f"{self.name}[{number}]")
        return found

    def _object(self, value: Any) -> None:
        for kind in self.members:
            if inspect.isclass(value) and kind is not str and issubclass(value, kind):
                self._refuse(value.__name__, f"an object of that class, as in {value.__name__}()", quoted=False)
        if not isinstance(value, self.members):
            self._refuse(
                value, " or ".join("a text" if one is str else f"an object of {one.__name__}" for one in self.members)
            )

    def _refuse(self, value: Any, wanted: str, name: str = "", *, quoted: bool = True) -> None:
        text = " ".join((repr(value) if quoted else str(value)).split())
        if len(text) > 60:
            text = f"{type(value).__name__} {text[:40]}…"
        raise InvalidInput(f"{name or self.name}={text}: it must be {wanted}")


def declared(part: type[Any]) -> Mapping[str, Declared]:
    """Returns the settings that a dataclass and its bases declare: a mapping from name to `Declared`, in order.

    Example:
        >>> from automl.rules import Budget
        >>> list(declared(Budget))
        ['trials', 'evaluations', 'hours', 'until']
    """
    hints = get_type_hints(part)
    found = {}
    for item in dataclasses.fields(part):
        homes = [vars(home).get("__dataclass_fields__", {}).get(item.name) for home in part.__mro__]
        given = [home.metadata["setting"] for home in homes if home is not None and "setting" in home.metadata]
        if given:
            default = NOTHING if item.default is dataclasses.MISSING else item.default
            found[item.name] = Declared(item.name, hints[item.name], default, given[0])
    return types.MappingProxyType(found)


def check(part: Any) -> None:
    """Checks the settings of a dataclass object and converts each to its type. Call it in `__post_init__`.

    Raises:
        InvalidInput: a value has another type, or is out of bounds.

    Example:
        >>> @dataclass(frozen=True, kw_only=True)
        ... class Oven:
        ...     degrees: int = setting(180, "How hot it gets.", group="Workers", lowest=30)
        ...     def __post_init__(self):
        ...         check(self)
        >>> Oven(degrees=10)
        Traceback (most recent call last):
        automl.errors.InvalidInput: degrees=10: it must be 30 or more
    """
    for name, one in declared(part.__class__).items():
        value = getattr(part, name)
        fitted = one.fit(value)
        if fitted is not value:
            object.__setattr__(part, name, fitted)


def part_of(kind: type[T], whole: Any) -> T:
    """Returns an instance of the dataclass `kind`, made of those settings of `whole` that `kind` declares.

    Example:
        >>> from automl.api import SearchSettings
        >>> from automl.rules import Budget
        >>> part_of(Budget, SearchSettings(space="nasbench201", trials=100))
        Budget(trials=100, evaluations=None, hours=None, until=None)
    """
    fields: type[Any] = kind
    return kind(**{name: getattr(whole, name) for name in declared(fields)})
