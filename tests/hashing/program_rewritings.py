"""A small language of learning programs, random ones, rewritings that keep what they compute, and changes that do not.

A program is a dict of three lists of instructions, `setup`, `predict`, `learn`; an instruction is (target, operation,
operands). Registers are s0, s1, … (numbers) and v0, v1, … (vectors). By convention s0 holds the label, v0 the
features, s1 the prediction.
"""

import numpy as np

SCALAR = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "max": np.maximum,
    "tanh": np.tanh,
    "neg": np.negative,
    "copy": lambda a: a,
}
VECTOR = {
    "vadd": np.add,
    "vsub": np.subtract,
    "vtanh": np.tanh,
    "vcopy": lambda a: a,
    "scale": lambda s, v: s[..., None] * v,
}
TO_SCALAR = {"dot": lambda a, b: (a * b).sum(-1)}
COMMUTATIVE = ("add", "mul", "max", "vadd", "dot")
RESERVED = ("s0", "s1", "v0")
PARTS = ("setup", "predict", "learn")
SIZE, STEPS, TASKS = 3, 4, 6


class Language:
    """Runs programs one after the other on fixed regression tasks: a few learning steps, then predictions."""

    settings = {"size": SIZE, "steps": STEPS, "tasks": TASKS}

    def outputs(self, programs, probe):
        tasks = range(probe.seed, probe.seed + TASKS)
        return np.array([[item for task in tasks for item in run(program, task)] for program in programs])


def run(program, seed=0, examples=4):
    rng = np.random.Generator(np.random.Philox(seed))
    features = (1 + seed % 3) * rng.uniform(-1.5, 1.5, size=(STEPS + examples, SIZE))
    labels = np.sin(features @ np.array([1.0, -0.5, 0.7])) * (1 - 2 * (seed % 2))
    memory = {}
    with np.errstate(all="ignore"):
        execute(program["setup"], memory)
        for x, y in zip(features[:STEPS], labels, strict=False):
            memory["v0"], memory["s0"] = x, np.asarray(0.0)
            execute(program["predict"], memory)
            memory["s0"] = np.asarray(y)
            execute(program["learn"], memory)
        found = []
        for x in features[STEPS:]:
            memory["v0"], memory["s0"] = x, np.asarray(0.0)
            execute(program["predict"], memory)
            found.append(float(read(memory, "s1")))
    return found


def read(memory, name):
    if not isinstance(name, str):
        return np.asarray(name, dtype=float)
    return memory.get(name, np.zeros(SIZE) if name[0] == "v" else np.asarray(0.0))


def execute(instructions, memory):
    for target, operation, operands in instructions:
        values = [read(memory, name) for name in operands]
        if operation == "const":
            memory[target] = values[0]
        elif operation == "vconst":
            memory[target] = np.full(SIZE, float(values[0])) * np.array([1.0, 0.5, -1.0])
        else:
            memory[target] = (SCALAR | VECTOR | TO_SCALAR)[operation](*values)


def random_instruction(rng, part):
    s = lambda: f"s{int(rng.integers(6))}"
    v = lambda: f"v{int(rng.integers(4))}"
    target_s = f"s{int(rng.integers(1, 6))}"
    target_v = f"v{int(rng.integers(1, 4))}"
    drawn = rng.random()
    if part == "setup" or drawn < 0.1:
        value = round(float(rng.uniform(-1, 1)), 2)
        return (target_s, "const", (value,)) if drawn < 0.5 else (target_v, "vconst", (value,))
    if drawn < 0.5:
        name = str(rng.choice([n for n in SCALAR if n != "copy"]))
        return (target_s, name, (s(),) if name in ("tanh", "neg") else (s(), s()))
    if drawn < 0.8:
        name = str(rng.choice([n for n in VECTOR if n != "vcopy"]))
        return (target_v, name, (v(),) if name == "vtanh" else (s(), v()) if name == "scale" else (v(), v()))
    return (target_s, "dot", (v(), v()))


def random_program(rng):
    """Linear regression by gradient descent, with random instructions strewn in."""
    rate = round(float(rng.uniform(0.05, 0.5)), 2)
    program = {
        "setup": [("s2", "const", (rate,)), ("v1", "vconst", (0.3,))],
        "predict": [("s1", "dot", ("v0", "v1"))],
        "learn": [
            ("s3", "sub", ("s0", "s1")),
            ("s3", "mul", ("s3", "s2")),
            ("v2", "scale", ("s3", "v0")),
            ("v1", "vadd", ("v1", "v2")),
        ],
    }
    for part in PARTS:
        for _ in range(int(rng.integers(1, 4))):
            program[part].insert(int(rng.integers(len(program[part]) + 1)), random_instruction(rng, part))
    return program


def copied(program):
    return {part: list(program[part]) for part in PARTS}


def names_in(program):
    found = set()
    for part in PARTS:
        for target, _, operands in program[part]:
            found |= {target, *(name for name in operands if isinstance(name, str))}
    return found


def spare(program, kind, rng):
    used = {name for name in names_in(program) | set(RESERVED) if name[0] == kind}
    return next(name for name in (f"{kind}{n}" for n in rng.permutation(60) + 10) if name not in used)


def pick(program, rng, wanted):
    """A place (part, number) whose instruction fits, or None."""
    found = [(part, n) for part in PARTS for n, item in enumerate(program[part]) if wanted(item)]
    return found[int(rng.integers(len(found)))] if found else None


# --- rewritings ------------------------------------------------------------------------------------------------------


def rename(p, rng):
    names = sorted(names_in(p) - set(RESERVED))
    if not names:
        return False
    old = str(rng.choice(names))
    new = spare(p, old[0], rng)
    swap = lambda name: new if name == old else name
    for part in PARTS:
        p[part] = [(swap(t), o, tuple(swap(name) for name in operands)) for t, o, operands in p[part]]
    return True


def reorder(p, rng):
    """Two neighbours that do not touch each other's registers change places."""
    places = []
    for part in PARTS:
        for n, ((t1, _, o1), (t2, _, o2)) in enumerate(zip(p[part], p[part][1:], strict=False)):
            if t1 != t2 and t1 not in o2 and t2 not in o1:
                places.append((part, n))
    if not places:
        return False
    part, n = places[int(rng.integers(len(places)))]
    p[part][n], p[part][n + 1] = p[part][n + 1], p[part][n]
    return True


def dead(p, rng):
    part = PARTS[int(rng.integers(3))]
    _, operation, operands = random_instruction(rng, part)
    kind = "v" if operation in VECTOR or operation == "vconst" else "s"
    p[part].insert(int(rng.integers(len(p[part]) + 1)), (spare(p, kind, rng), operation, operands))
    return True


def overwritten(p, rng):
    """A value that the very next instruction replaces without reading it."""
    place = pick(p, rng, lambda item: item[0] not in item[2] and item[0][0] == "s")
    if place is None:
        return False
    part, n = place
    p[part].insert(n, (p[part][n][0], "const", (0.25,)))
    return True


def commute(p, rng):
    place = pick(p, rng, lambda item: item[1] in COMMUTATIVE)
    if place is not None:
        part, n = place
        target, operation, operands = p[part][n]
        p[part][n] = (target, operation, operands[::-1])
    return place is not None


def through_copy(p, rng):
    """The result goes to a new register first and is copied from there."""
    place = pick(p, rng, lambda item: True)
    part, n = place
    target, operation, operands = p[part][n]
    new = spare(p, target[0], rng)
    p[part][n : n + 1] = [(new, operation, operands), (target, "copy" if target[0] == "s" else "vcopy", (new,))]
    return True


def constant_split(p, rng):
    place = pick(p, rng, lambda item: item[1] == "const")
    if place is None:
        return False
    part, n = place
    target, _, (value,) = p[part][n]
    half = spare(p, "s", rng)
    p[part][n : n + 1] = [(half, "const", (value / 2,)), (target, "add", (half, half))]
    return True


def negate_twice(p, rng):
    place = pick(p, rng, lambda item: item[0][0] == "s")
    if place is None:
        return False
    part, n = place
    target = p[part][n][0]
    p[part][n + 1 : n + 1] = [(target, "neg", (target,)), (target, "neg", (target,))]
    return True


def subtraction(p, rng):
    place = pick(p, rng, lambda item: item[1] == "sub")
    if place is None:
        return False
    part, n = place
    target, _, (a, b) = p[part][n]
    new = spare(p, "s", rng)
    p[part][n : n + 1] = [(new, "neg", (b,)), (target, "add", (a, new))]
    return True


def vector_subtraction(p, rng):
    place = pick(p, rng, lambda item: item[1] == "vsub")
    if place is None:
        return False
    part, n = place
    target, _, (a, b) = p[part][n]
    minus, new = spare(p, "s", rng), spare(p, "v", rng)
    p[part][n : n + 1] = [(minus, "const", (-1.0,)), (new, "scale", (minus, b)), (target, "vadd", (a, new))]
    return True


def times_one(p, rng):
    place = pick(p, rng, lambda item: item[0][0] == "s")
    if place is None:
        return False
    part, n = place
    target, one = p[part][n][0], spare(p, "s", rng)
    p[part][n + 1 : n + 1] = [(one, "const", (1.0,)), (target, "mul", (one, target))]
    return True


def plus_zero(p, rng):
    """A register that nothing ever writes is zero."""
    place = pick(p, rng, lambda item: True)
    part, n = place
    target = p[part][n][0]
    p[part].insert(n + 1, (target, "add" if target[0] == "s" else "vadd", (target, spare(p, target[0], rng))))
    return True


def doubled_maximum(p, rng):
    place = pick(p, rng, lambda item: item[0][0] == "s")
    if place is None:
        return False
    part, n = place
    target = p[part][n][0]
    p[part].insert(n + 1, (target, "max", (target, target)))
    return True


def odd_tanh(p, rng):
    place = pick(p, rng, lambda item: item[1] == "tanh")
    if place is None:
        return False
    part, n = place
    target, _, (a,) = p[part][n]
    new = spare(p, "s", rng)
    p[part][n : n + 1] = [(new, "neg", (a,)), (new, "tanh", (new,)), (target, "neg", (new,))]
    return True


def setup_repeated(p, rng):
    """Setting a constant twice in a row."""
    place = pick(p, rng, lambda item: item[1] in ("const", "vconst"))
    if place is None:
        return False
    part, n = place
    p[part].insert(n, p[part][n])
    return True


def clear_label(p, rng):
    """The label is hidden (zero) while predicting, so clearing it first changes nothing."""
    p["predict"].insert(0, ("s0", "const", (0.0,)))
    return True


KEEPING = (
    rename, reorder, dead, overwritten, commute, through_copy, constant_split, negate_twice, subtraction,
    vector_subtraction, times_one, plus_zero, doubled_maximum, odd_tanh, setup_repeated, clear_label,
)  # fmt: skip


def rewritten(program, rng, steps):
    program, done = copied(program), []
    while len(done) < steps:
        rule = KEEPING[int(rng.integers(len(KEEPING)))]
        if rule(program, rng):
            done.append(rule.__name__)
    return program, done


def changed(program, rng):
    """Returns a program with one instruction exchanged, removed, retargeted or moved, or one constant changed."""
    program = copied(program)
    part = PARTS[int(rng.integers(3))]
    n = int(rng.integers(len(program[part])))
    target, operation, operands = program[part][n]
    what = ("constant", "instruction", "removed", "operand", "moved")[int(rng.integers(5))]
    if what == "constant" and operation in ("const", "vconst"):
        program[part][n] = (target, operation, (operands[0] + 0.125,))
    elif what == "removed":
        del program[part][n]
    elif what == "operand" and isinstance(operands[0], str):
        program[part][n] = (target, operation, (f"{operands[0][0]}{int(rng.integers(4))}", *operands[1:]))
    elif what == "moved":
        program[part].insert(int(rng.integers(len(program[part]))), program[part].pop(n))
    else:
        what = "instruction"
        program[part][n] = random_instruction(rng, part)
    return program, what


def really_equal(one, other):
    """Whether two programs predict the same on fresh tasks."""
    for seed in range(100, 112):
        a, b = np.array(run(one, seed, 20)), np.array(run(other, seed, 20))
        scale = np.maximum(np.abs(a), np.abs(b))
        if not np.all((np.abs(a - b) <= 1e-5 * scale) | (scale < 1e-12) | (a == b) | (np.isnan(a) & np.isnan(b))):
            return False
    return True
