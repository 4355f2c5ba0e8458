"""What code reaches out for: global names and the attributes read off them, imports, names that it only writes to."""

from __future__ import annotations

import ast
import dis
import functools
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import CodeType

Chain = tuple[str, ...]
"""Attributes read one off the other: `model.parts.train` is ("parts", "train"); () is the thing itself."""

_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD")
_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_WRITERS = frozenset({"append", "appendleft", "add", "extend", "extendleft", "update"})
"""Methods of lists, sets, dicts and deques that return None whatever these hold."""


@dataclass(frozen=True)
class Import:
    """An import inside a function.

    Attributes:
        module: its name as written.
        level: number of leading dots.
        names: what is taken from it; empty where the module itself is.
        alias: the variable that stands for the module; None where it is not kept in one.
        whole: True where the alias stands for the module of the full name, not for its first part.
    """

    module: str
    level: int
    names: tuple[str, ...]
    alias: str | None
    whole: bool


@dataclass(frozen=True)
class Uses:
    """What a function reaches out for, the functions within it included.

    Attributes:
        names: global names, each with the attribute chains read off it.
        local: the same of all variables, of which imports are some.
        imports: made when it runs.
        unknown_imports: True where it imports a module whose name is not written in it.
        environment: names of the environment variables that it reads.
    """

    names: Mapping[str, frozenset[Chain]]
    local: Mapping[str, frozenset[Chain]]
    imports: tuple[Import, ...]
    unknown_imports: bool = False
    environment: frozenset[str] = frozenset()


@functools.lru_cache(maxsize=4096)
def uses(code: CodeType) -> Uses:
    """Reads a code object; equal code, equal uses."""
    names: dict[str, set[Chain]] = defaultdict(set)
    local: dict[str, set[Chain]] = defaultdict(set)
    imports: list[Import] = []
    unknown = False
    variables: set[str] = set()
    steps = list(dis.get_instructions(code))
    for place, step in enumerate(steps):
        for name in _loaded(step):
            chain = _chain(steps, place + 1) if name == _loaded(step)[-1] else ()
            local[name].add(chain)
            if step.opname in _GLOBALS:
                names[name].add(chain)
            variables.update(_variable(steps, name, chain, place + 1 + len(chain)))
            if _imports(name, chain):
                written = _next_constant(steps, place + 1 + len(chain))
                unknown = unknown or written is None
                imports += [Import(written, 0, (), None, True)] if written else []
        if step.opname == "IMPORT_NAME":
            imports.append(_import(steps, place))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            inner = uses(constant)
            unknown = unknown or inner.unknown_imports
            imports += inner.imports
            variables |= inner.environment
            for mine, theirs in ((names, inner.names), (local, inner.local)):
                for name, chains in theirs.items():
                    mine[name] |= chains
    return Uses(
        {name: frozenset(chains) for name, chains in names.items()},
        {name: frozenset(chains) for name, chains in local.items()},
        tuple(imports),
        unknown,
        frozenset(variables),
    )


def _loaded(step: dis.Instruction) -> tuple[str, ...]:
    """Returns the variables that a step loads; Python 3.13 has steps that load two."""
    if step.opname not in _GLOBALS and not step.opname.startswith(("LOAD_FAST", "LOAD_DEREF", "LOAD_CLASSDEREF")):
        return ()
    return step.argval if isinstance(step.argval, tuple) else (step.argval,)


def _chain(steps: list[dis.Instruction], place: int) -> Chain:
    chain = []
    while place < len(steps) and steps[place].opname in _ATTRIBUTES:
        chain.append(steps[place].argval)
        place += 1
    return tuple(chain)


def _imports(name: str, chain: Chain) -> bool:
    return (name, *chain) in (("__import__",), ("import_module",), ("importlib", "import_module"))


def _variable(steps: list[dis.Instruction], name: str, chain: Chain, place: int) -> list[str]:
    """Returns the environment variable that is read off `os.environ`, or by `os.getenv`, where it is written there."""
    path, key = (name, *chain), _next_constant(steps, place)
    if key is None:
        return []
    taken = path[-1] == "environ" and steps[place + 1].opname in ("BINARY_SUBSCR", "BINARY_OP")
    return [key] if taken or path[-1] == "getenv" or path[-2:] == ("environ", "get") else []


def _next_constant(steps: list[dis.Instruction], place: int) -> str | None:
    for step in steps[place : place + 1]:
        if step.opname == "LOAD_CONST" and isinstance(step.argval, str):
            return step.argval
    return None


def _import(steps: list[dis.Instruction], place: int) -> Import:
    level, names = (step.argval if step.opname == "LOAD_CONST" else None for step in steps[place - 2 : place])
    module = steps[place].argval
    if names:
        return Import(module, level or 0, tuple(names), None, True)
    after = steps[place + 1]
    store = next((step for step in steps[place + 1 :] if step.opname.startswith("STORE_")), None)
    alias = store.argval if store is not None else None
    return Import(module, level or 0, (), alias, store is not after)


def is_written_to(chains: Collection[Chain]) -> bool:
    """Tells whether all that is read off something are methods that write to it and return None."""
    return bool(chains) and all(len(chain) == 1 and chain[0] in _WRITERS for chain in chains)


def only_counted(node: ast.AST) -> frozenset[str]:
    r"""Returns the names declared `global` or `nonlocal` that code assigns and never reads, such as a counter.

    Example:
        >>> sorted(only_counted(ast.parse("def f(c):\n    global N\n    N += 1\n    return c * SCALE")))
        ['N']
    """
    declared = {name for one in ast.walk(node) if isinstance(one, ast.Global | ast.Nonlocal) for name in one.names}
    read = {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and not isinstance(one.ctx, ast.Store)}
    return frozenset(declared - read)
