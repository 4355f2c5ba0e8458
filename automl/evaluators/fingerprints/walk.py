"""From a function or a class to all that it depends on, in one digest.

Code is read in the order in which it is met, each piece once: its text, then what it captured and the global names that
it loads. Texts, numbers and functions of one file stand in the digest as they did in version 0.1, and whatever else is
met adds to it: so code that captures nothing else has the fingerprint that it had then.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any

import xxhash

from automl.evaluators.fingerprints import classes, functions, modules
from automl.evaluators.fingerprints.content import of_data, of_object, of_plain
from automl.evaluators.fingerprints.naming import named
from automl.evaluators.fingerprints.origin import of_class, of_file, of_module
from automl.evaluators.fingerprints.refusal import NoContent, at
from automl.evaluators.fingerprints.written import File, file_of, mixed


@dataclass(frozen=True)
class Fingerprint:
    """Digest of some code and of everything that the code uses, with the names of what was read.

    Attributes:
        digest: Digest, 32 hexadecimal digits.
        files: Paths of the files whose source was read, sorted.
        libraries: Names of the libraries that are identified by name and version only, sorted.
        variables: Names of the environment variables that the code reads, sorted.
        parts: Mapping from name to an eight-digit digest, for each function, class, number and piece of data; shows
            what changed if the digest did.

    Example:
        >>> rate = 0.1
        >>> found = fingerprint(lambda x: rate * x)
        >>> len(found.digest), found.files
        (32, ())
    """

    digest: str
    files: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)


def fingerprint(*things: Any, code: bool = True, environment: bool = False) -> Fingerprint:
    """Returns the digest of functions, classes and other objects, with everything that they use and capture.

    Comments, docstrings and layout change nothing, nor do the process, the machine and the folder.

    Args:
        things: Objects to be read, in order.
        code: If False, functions and classes are identified by their names, and only data counts.
        environment: If True, the values of environment variables that the code reads by name count; their names are
            listed in any case.

    Raises:
        NoContent: a captured object cannot be compared by content, such as an open file.

    Example:
        >>> def make(goal):
        ...     return lambda c: -abs(c.x - goal)
        >>> fingerprint(make(2)).digest == fingerprint(make(2)).digest
        True
        >>> fingerprint(make(2)).digest == fingerprint(make(7)).digest
        False
    """
    try:
        walk = Walk(code, environment)
        walk.read(things)
    except RecursionError:
        raise NoContent("something nested too deeply to be read") from None
    parts = {name: walk.parts[name] for name in sorted(walk.parts)}
    files, libraries, variables = (tuple(sorted(some)) for some in (walk.files, walk.libraries, walk.variables))
    return Fingerprint(walk.digest.hexdigest(), files, libraries, variables, parts)


class Walk:
    """One reading of things and of what they depend on.

    Attributes:
        digest: of what was read so far.
        files: whose source was looked at.
        libraries: known by name and version.
        variables: of the environment, that code reads by name.
        parts: digits of each piece, by name.
        met: names of each scope that are in the digest already, by the scope's id.
        reading: the class whose methods are being read.
    """

    def __init__(self, code: bool = True, environment: bool = False) -> None:
        self._code = code
        self._environment = environment
        self.variables: set[str] = set()
        self.digest = xxhash.xxh3_128()
        self.files: set[str] = set()
        self.libraries: set[str] = set()
        self.parts: dict[str, str] = {}
        self.met: dict[int, set[str]] = defaultdict(set)
        self._waiting: deque[Any] = deque()
        self._numbers: dict[int, int] = {}
        self._owners: dict[int, tuple[int, str]] = {}  # the name under which code was met first
        self._optional: set[int] = set()  # code that is named and, as far as was read, never run
        self._unreadable: dict[int, NoContent] = {}  # of the optional code
        self._roots: set[int] = set()
        self.reading: type | None = None
        self._kept: list[Any] = []  # so that no id is given twice
        self._tokens: dict[int, bytes] = {}
        self._open: dict[int, int] = {}  # objects whose content is being read, with their depth
        self._back = math.inf  # the least depth of what was referred back to
        self._files: dict[str, File | None] = {}
        self._home: Path | None = None  # the folder of the first file

    def read(self, things: tuple[Any, ...]) -> None:
        """Reads things and what they depend on."""
        for thing in things:
            if self.is_code(thing):
                scope = functions.scope_of(thing) if isinstance(thing, FunctionType) else classes.scope_of(thing)
                self._roots.add(id(thing))
                self._enqueue(thing, (id(scope), thing.__qualname__))
            else:
                self.fact("", thing)
        while self._waiting:
            thing = self._waiting.popleft()
            try:
                self._read(thing)
            except NoContent as error:
                if id(thing) in self._optional:
                    self._unreadable[id(thing)] = error
                    continue
                if id(thing) in self._roots:
                    raise
                name = thing.__name__ if isinstance(thing, ModuleType) else thing.__qualname__
                raise error.within(f"{name}: ") from None

    def _read(self, thing: Any) -> None:
        if isinstance(thing, FunctionType):
            functions.read(self, thing)
        elif isinstance(thing, ModuleType):
            modules.read(self, thing)
        else:
            classes.read(self, thing)

    # --- what the digest is made of ----------------------------------------------------------------------------------

    def text(self, name: str, text: str | bytes) -> None:
        """Adds a text, which stands under a name."""
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        self.digest.update(data)
        self._part(name, data)

    def fact(self, name: str, value: Any) -> None:
        """Adds what a name stands for."""
        found = at(name, value, self)
        self.digest.update(mixed("fact", name, found))
        if not self.is_code(value):  # it is a part of its own
            self._part(name or type(value).__qualname__, found)

    def reads(self, variables: Iterable[str]) -> None:
        """Takes the names of environment variables that code reads."""
        for variable in sorted(variables):
            self.variables.add(variable)
            if self._environment:
                self.fact(f"environment {variable}", os.environ.get(variable))

    def _part(self, name: str, data: bytes) -> None:
        self.parts[name] = mixed(self.parts.get(name, ""), data).hex()[:8]

    def silently(self, thing: Any, scope: int, name: str, optional: bool = False) -> bool:
        """Takes in code that its user's text names. Returns False where its text does not say which code is meant."""
        if id(thing) not in self._numbers:
            self._enqueue(thing, (scope, name))
            if optional:
                self._optional.add(id(thing))
        elif not optional:
            self._need(thing)
        return self._owners.get(id(thing)) == (scope, name)

    def _enqueue(self, thing: Any, owner: tuple[int, str]) -> None:
        self._kept.append(thing)
        self._numbers[id(thing)] = len(self._numbers)
        self._owners[id(thing)] = owner
        self._waiting.append(thing)

    def _need(self, thing: Any) -> None:
        self._optional.discard(id(thing))
        if id(thing) in self._unreadable:
            raise self._unreadable[id(thing)]

    def is_root(self, thing: Any) -> bool:
        """Tells whether some code is among the things that the walk began with."""
        return id(thing) in self._roots

    def is_code(self, value: Any) -> bool:
        """Tells whether something is a function or a class of the user's, whose source counts."""
        if isinstance(value, FunctionType):
            return of_file(value.__code__.co_filename) == "user"
        return isinstance(value, type) and of_class(value) == "user"

    # --- content -----------------------------------------------------------------------------------------------------

    def __call__(self, value: Any) -> bytes:
        plain = of_plain(value)
        if plain is not None:
            return self._placed(value) if type(value) is str else plain
        key = id(value)
        if key in self._tokens:
            return self._tokens[key]
        if key in self._open:
            depth = self._open[key]
            self._back = min(self._back, depth)
            return mixed("back", str(len(self._open) - depth))
        depth = self._open[key] = len(self._open)
        outer, self._back = self._back, math.inf
        try:
            found = self._content(value)
        finally:
            del self._open[key]
            inner, self._back = self._back, min(outer, self._back if self._back < depth else math.inf)
        if inner >= depth:
            self._kept.append(value)
            self._tokens[key] = found
        return found

    def alone(self, value: Any) -> bytes:
        plain = of_plain(value)
        if plain is not None:
            return plain
        walk = Walk(self._code, self._environment)
        walk._home = self._home
        walk.read((value,))
        return walk.digest.digest()

    def _content(self, value: Any) -> bytes:
        if self.is_code(value) or (isinstance(value, ModuleType) and of_module(value) == "user"):
            return self._number(value)
        found = named(value, self)
        if found is None:
            found = self._placed(value) if isinstance(value, PurePath) else of_data(value, self)
        return of_object(value, self) if found is None else found

    def _number(self, thing: Any) -> bytes:
        if not self._code:
            return mixed("named", getattr(thing, "__qualname__", thing.__name__))
        if id(thing) not in self._numbers:
            self._enqueue(thing, (0, ""))
        self._need(thing)
        return mixed("code", str(self._numbers[id(thing)]))

    def _placed(self, value: str | PurePath) -> bytes:
        """Returns a text or a path; one inside the folder of the code is the same wherever that folder is."""
        kind, text = ("path", value.as_posix()) if isinstance(value, PurePath) else ("str", value)
        home = str(self._home) if self._home is not None else ""
        if len(home) > 1 and (text == home or text.startswith(f"{home}/")):
            return mixed(f"{kind} beside the code", text[len(home) :])
        return mixed(kind, text if kind == "path" else repr(text))

    # --- where code is -----------------------------------------------------------------------------------------------

    def file_of(self, name: str, scope: Mapping[str, Any]) -> File | None:
        """Returns the source file of this name, and remembers that it was looked at."""
        if name in self._files:
            return self._files[name]
        found = self._files[name] = file_of(name, scope)
        if not name.startswith("<") and found is not None:
            self.files.add(name)
            self._home = self._home or Path(name).parent
        return found
