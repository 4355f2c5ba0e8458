# ruff: noqa: E501 - the rules are one a line
"""Random expression trees, rewritings that keep their function, and changes that do not.

A tree is ("x", place), ("c", value) or (operation, tree, …).
"""

import numpy as np

UNARY = {
    "neg": np.negative, "sin": np.sin, "cos": np.cos, "tanh": np.tanh, "exp": np.exp, "abs": np.abs, "square": np.square,
    "relu": lambda a: np.maximum(a, 0.0), "atan": np.arctan, "log1p": lambda a: np.log1p(np.abs(a)), "same": lambda a: a,
}  # fmt: skip
BINARY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum,
}  # fmt: skip
CALLS = UNARY | BINARY
CONSTANTS = (0.1, 0.5, 1.0, 2.0, 3.0, -0.7, 1.5)


def evaluate(tree, arguments):
    if tree[0] == "x":
        return arguments[tree[1]]
    if tree[0] == "c":
        return tree[1]
    return CALLS[tree[0]](*(evaluate(part, arguments) for part in tree[1:]))


def call(tree):
    """The tree as a function; a constant one depends on its argument in name only."""
    return lambda *arguments: evaluate(tree, arguments)


def random_tree(rng, arity, depth=4):
    if depth == 0 or (depth < 3 and rng.random() < 0.25):
        return ("c", float(rng.choice(CONSTANTS))) if rng.random() < 0.3 else ("x", int(rng.integers(arity)))
    if rng.random() < 0.45:
        return (str(rng.choice([name for name in UNARY if name != "same"])), random_tree(rng, arity, depth - 1))
    return (str(rng.choice(list(BINARY))), random_tree(rng, arity, depth - 1), random_tree(rng, arity, depth - 1))


def places(tree, path=()):
    yield path, tree
    for number, part in enumerate(tree[1:], 1):
        if isinstance(part, tuple):
            yield from places(part, (*path, number))


def put(tree, path, new):
    if not path:
        return new
    return (*tree[: path[0]], put(tree[path[0]], path[1:], new), *tree[path[0] + 1 :])


def split_constant(value):
    """A sum that gives exactly the constant."""
    return ("add", ("c", value / 2), ("c", value / 2))


# Each takes a tree and returns an equal one, or None where it does not fit.
KEEPING = {
    "commute": lambda t: (t[0], t[2], t[1]) if t[0] in ("add", "mul", "max", "min") else None,
    "reassociate": lambda t: (t[0], t[1][1], (t[0], t[1][2], t[2])) if t[0] in ("add", "mul", "max", "min") and t[1][0] == t[0] else None,
    "reassociate back": lambda t: (t[0], (t[0], t[1], t[2][1]), t[2][2]) if t[0] in ("add", "mul", "max", "min") and t[2][0] == t[0] else None,
    "plus zero": lambda t: ("add", t, ("c", 0.0)),
    "times one": lambda t: ("mul", ("c", 1.0), t),
    "identity": lambda t: ("same", t),
    "negate twice": lambda t: ("neg", ("neg", t)),
    "subtraction as addition": lambda t: ("add", t[1], ("neg", t[2])) if t[0] == "sub" else None,
    "addition as subtraction": lambda t: ("sub", t[1], ("neg", t[2])) if t[0] == "add" else None,
    "square as product": lambda t: ("mul", t[1], t[1]) if t[0] == "square" else None,
    "product as square": lambda t: ("square", t[1]) if t[0] == "mul" and t[1] == t[2] else None,
    "relu doubled": lambda t: ("relu", t) if t[0] == "relu" else None,
    "abs doubled": lambda t: ("abs", t) if t[0] == "abs" else None,
    "relu as maximum": lambda t: ("max", t[1], ("c", 0.0)) if t[0] == "relu" else None,
    "maximum as minimum": lambda t: ("neg", ("min", ("neg", t[1]), ("neg", t[2]))) if t[0] == "max" else None,
    "maximum of itself": lambda t: ("max", t, t),
    "constant split": lambda t: split_constant(t[1]) if t[0] == "c" else None,
    "constant folded": lambda t: ("c", float(CALLS[t[0]](t[1][1], t[2][1]))) if t[0] in BINARY and t[1][0] == t[2][0] == "c" else None,
    "sine is odd": lambda t: ("neg", (t[0], ("neg", t[1]))) if t[0] in ("sin", "tanh", "atan") else None,
    "cosine is even": lambda t: ("cos", ("neg", t[1])) if t[0] == "cos" else None,
    "size of a negative": lambda t: ("abs", ("neg", t[1])) if t[0] == "abs" else None,
    "doubling distributed": lambda t: ("add", t, ("mul", ("c", 0.0), ("c", 5.0))),
}  # fmt: skip


def rewritten(tree, rng, steps):
    done = []
    names = list(KEEPING)
    while len(done) < steps:
        name = names[int(rng.integers(len(names)))]
        found = list(places(tree))
        path, part = found[int(rng.integers(len(found)))]
        new = KEEPING[name](part)
        if new is not None:
            tree = put(tree, path, new)
            done.append(name)
    return tree, done


def changed(tree, rng, arity):
    """Returns a tree with one operation, one constant, one variable or the order of two operations changed."""
    while True:
        found = list(places(tree))
        path, part = found[int(rng.integers(len(found)))]
        if part[0] == "c":
            return put(tree, path, ("c", part[1] + 0.25)), "constant"
        if part[0] == "x":
            if arity == 1:
                continue
            return put(tree, path, ("x", (part[1] + 1) % arity)), "variable"
        if part[0] == "sub" and rng.random() < 0.5:
            return put(tree, path, ("sub", part[2], part[1])), "order"
        if part[0] in UNARY and part[1][0] in UNARY and part[0] != part[1][0] and rng.random() < 0.5:
            return put(tree, path, (part[1][0], (part[0], *part[1][1:]))), "order of two operations"
        names = [name for name in (UNARY if part[0] in UNARY else BINARY) if name != part[0]]
        return put(tree, path, (str(rng.choice(names)), *part[1:])), "operation"


def really_equal(one, other, arity, rng):
    """Whether two trees agree in float64 on fresh points of many sizes."""
    sizes = 10.0 ** rng.uniform(-6, 3, size=(arity, 4000)) * rng.choice([-1.0, 1.0], size=(arity, 4000))
    sizes[:, :2000] = rng.normal(size=(arity, 2000)) * 2
    with np.errstate(all="ignore"):
        a, b = (np.broadcast_to(np.asarray(evaluate(tree, list(sizes)), dtype=float), (4000,)) for tree in (one, other))
        scale = np.maximum(np.abs(a), np.abs(b))
        return bool(np.all((np.abs(a - b) <= 1e-5 * scale) | (scale < 1e-9) | (a == b) | (np.isnan(a) & np.isnan(b))))
