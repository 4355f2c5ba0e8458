"""Random graphs, rewritings that keep their function, changes that do not, and a plain float64 run with given
weights.
"""

import itertools

import numpy as np

from automl.behaviour import Array, Graph, Node, Probe
from automl.hashing.builtin import OPERATIONS
from automl.hashing.operations import Steps

PROBE = Probe(inputs=(Array((3, 4, 4)), Array((3, 4, 4))))
UNARY = ("relu", "tanh", "abs", "negate", "average_pool", "max_pool", "nor_conv_1x1", "nor_conv_3x3", "conv1x1-bn-relu")
COMMUTATIVE = ("add", "multiply", "maximum")
SETTINGS = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}


class Draft:
    """A graph as a mutable list of [operation, inputs, settings]."""

    def __init__(self, nodes, outputs):
        self.nodes = nodes
        self.outputs = outputs

    def copy(self):
        return Draft([[name, list(inputs), settings] for name, inputs, settings in self.nodes], list(self.outputs))

    def graph(self):
        nodes = tuple(Node(name, tuple(inputs), settings) for name, inputs, settings in self.nodes)
        return Graph(nodes, tuple(self.outputs), probe=PROBE)

    def insert(self, place, node):
        """Puts a node at `place`; what stood there and behind moves up by one. The node's inputs are in old numbers."""
        move = lambda number: number + (number >= place)
        for item in self.nodes:
            item[1] = [move(number) for number in item[1]]
        self.outputs = [move(number) for number in self.outputs]
        self.nodes.insert(place, node)
        return place

    def redirect(self, old, new, readers):
        for reader in readers:
            self.nodes[reader][1] = [new if number == old else number for number in self.nodes[reader][1]]

    def pick(self, rng, names):
        found = [number for number, node in enumerate(self.nodes) if node[0] in names]
        return int(rng.choice(found)) if found else None


def random_draft(rng):
    nodes = [["input", [], ()], ["input", [], (("index", 1),)]]
    for _ in range(int(rng.integers(3, 8))):
        if rng.random() < 0.55:
            name, count = str(rng.choice(UNARY)), 1
        else:
            name, count = str(rng.choice([*COMMUTATIVE, "add", "subtract"])), int(rng.integers(2, 4))
            count = 2 if name == "subtract" else count
        inputs = [int(max(rng.integers(len(nodes)), rng.integers(len(nodes)))) for _ in range(count)]
        nodes.append([name, inputs, ()])
    outputs = [len(nodes) - 1] + ([int(rng.integers(2, len(nodes)))] if rng.random() < 0.3 else [])
    return Draft(nodes, outputs)


# --- rewritings that keep the function; each returns True if it found a place ----------------------------------------


def relabel(draft, rng):
    """Another topological order."""
    left, order = set(range(len(draft.nodes))), []
    while left:
        ready = [number for number in left if not left & set(draft.nodes[number][1])]
        order.append(int(rng.choice(ready)))
        left.remove(order[-1])
    place = {number: position for position, number in enumerate(order)}
    draft.nodes = [[draft.nodes[n][0], [place[i] for i in draft.nodes[n][1]], draft.nodes[n][2]] for n in order]
    draft.outputs = [place[number] for number in draft.outputs]
    return True


def commute(draft, rng):
    number = draft.pick(rng, COMMUTATIVE)
    if number is not None:
        rng.shuffle(draft.nodes[number][1])
    return number is not None


def reassociate(draft, rng):
    """op(a, b, c) becomes op(op(a, b), c)."""
    wide = [n for n, node in enumerate(draft.nodes) if node[0] in COMMUTATIVE and len(node[1]) > 2]
    if not wide:
        return False
    number = int(rng.choice(wide))
    first = draft.nodes[number][1][:2]
    inner = draft.insert(number, [draft.nodes[number][0], first, ()])
    draft.nodes[inner + 1][1][:2] = [inner]
    return True


def flatten(draft, rng):
    """op(op(a, b), c) becomes op(a, b, c)."""
    for number in rng.permutation(len(draft.nodes)):
        name, inputs, _ = draft.nodes[number]
        for place, source in enumerate(inputs):
            if name in COMMUTATIVE and draft.nodes[source][0] == name:
                draft.nodes[number][1] = inputs[:place] + draft.nodes[source][1] + inputs[place + 1 :]
                return True
    return False


def _after(draft, rng, number, name, settings=()):
    """Puts a unary node behind `number`, read by some of those that read `number`."""
    new = draft.insert(number + 1, [name, [number], settings])
    for reader in range(new + 1, len(draft.nodes)):
        if rng.random() < 0.6:
            draft.redirect(number, new, [reader])
    draft.outputs = [new if output == number and rng.random() < 0.6 else output for output in draft.outputs]
    return True


def insert_identity(draft, rng):
    return _after(draft, rng, int(rng.integers(len(draft.nodes))), str(rng.choice(["identity", "skip_connect"])))


def remove_identity(draft, rng):
    number = draft.pick(rng, ("identity", "skip_connect"))
    if number is None:
        return False
    source = draft.nodes[number][1][0]
    draft.redirect(number, source, range(len(draft.nodes)))
    draft.outputs = [source if output == number else output for output in draft.outputs]
    return True


def dead_node(draft, rng):
    place = int(rng.integers(2, len(draft.nodes) + 1))
    draft.insert(place, [str(rng.choice(UNARY)), [int(rng.integers(place))], ()])
    return True


def dead_twin(draft, rng):
    """A dead copy of a node with weights."""
    number = draft.pick(rng, ("nor_conv_1x1", "nor_conv_3x3"))
    if number is None:
        return False
    draft.insert(number, [draft.nodes[number][0], list(draft.nodes[number][1]), ()])
    return True


def zeroed_branch(draft, rng):
    """A convolution of something, times zero, added to a sum."""
    number = draft.pick(rng, ("add",))
    if number is None:
        return False
    source = int(rng.integers(number))
    branch = draft.insert(number, ["nor_conv_3x3", [source], ()])
    zero = draft.insert(branch + 1, ["zero", [branch], ()])
    draft.nodes[zero + 1][1].append(zero)
    return True


def double_idempotent(draft, rng):
    number = draft.pick(rng, ("relu", "abs"))
    return number is not None and _after(draft, rng, number, draft.nodes[number][0])


def relu_is_positive(draft, rng):
    number = draft.pick(rng, ("relu", "conv1x1-bn-relu"))
    return number is not None and _after(draft, rng, number, str(rng.choice(["abs", "relu"])))


def distribute_pooling(draft, rng):
    """pool(a + b) becomes pool(a) + pool(b)."""
    for number, (name, inputs, _) in enumerate(draft.nodes):
        if name == "average_pool" and draft.nodes[inputs[0]][0] == "add":
            terms = draft.nodes[inputs[0]][1]
            for count, term in enumerate(terms):
                draft.insert(number + count, ["average_pool", [term], ()])
            draft.nodes[number + len(terms)] = ["add", list(range(number, number + len(terms))), ()]
            return True
    return False


def collect_pooling(draft, rng):
    """pool(a) + pool(b) becomes pool(a + b)."""
    for number, (name, inputs, _) in enumerate(draft.nodes):
        pooled = [source for source in inputs if draft.nodes[source][0] in ("average_pool", "avg_pool_3x3")]
        if name == "add" and len(pooled) > 1 and not any(draft.nodes[source][2] for source in pooled):
            total = draft.insert(number, ["add", [draft.nodes[source][1][0] for source in pooled], ()])
            pool = draft.insert(total + 1, ["average_pool", [total], ()])
            rest = [source for source in inputs if source not in pooled]
            draft.nodes[pool + 1] = ["add", [*rest, pool], ()]
            return True
    return False


def add_zero(draft, rng):
    number = draft.pick(rng, ("add",))
    if number is None:
        return False
    zero = draft.insert(number, [str(rng.choice(["zero", "none"])), [int(rng.integers(number))], ()])
    draft.nodes[zero + 1][1].insert(int(rng.integers(3)), zero)
    return True


def negate_twice(draft, rng):
    number = int(rng.integers(len(draft.nodes)))
    new = draft.insert(number + 1, ["negate", [number], ()])
    return _after(draft, rng, number, "identity") if new == number else _chain(draft, rng, number, new)


def _chain(draft, rng, number, new):
    again = draft.insert(new + 1, ["negate", [new], ()])
    for reader in range(again + 1, len(draft.nodes)):
        if rng.random() < 0.6:
            draft.redirect(number, again, [reader])
    return True


def split_macro(draft, rng):
    """ReLU-convolution-norm as one node becomes three."""
    number = draft.pick(rng, tuple(SETTINGS))
    if number is None:
        return False
    name, inputs, _ = draft.nodes[number]
    relu = draft.insert(number, ["relu", list(inputs), ()])
    convolution = draft.insert(relu + 1, ["convolution", [relu], (("kernel", SETTINGS[name]),)])
    draft.nodes[convolution + 1] = ["batch_norm", [convolution], ()]
    return True


def maximum_of_itself(draft, rng):
    number = int(rng.integers(len(draft.nodes)))
    draft.insert(number + 1, ["maximum", [number, number], ()])
    for reader in range(number + 2, len(draft.nodes)):
        if rng.random() < 0.6:
            draft.redirect(number, number + 1, [reader])
    return True


def subtract_as_add(draft, rng):
    number = draft.pick(rng, ("subtract",))
    if number is None:
        return False
    one, other = draft.nodes[number][1]
    minus = draft.insert(number, ["negate", [other], ()])
    draft.nodes[minus + 1] = ["add", [one, minus], ()]
    return True


def explicit_settings(draft, rng):
    number = draft.pick(rng, ("average_pool", "max_pool"))
    if number is not None:
        draft.nodes[number][2] = (("kernel", 3), ("padding", 1), ("stride", 1))
    return number is not None


def duplicate_weightless(draft, rng):
    """Two readers of one operation without weights become readers of two copies."""
    number = draft.pick(rng, ("relu", "tanh", "abs", "negate", "average_pool", "max_pool", "add", "multiply"))
    if number is None:
        return False
    copy = draft.insert(number, [draft.nodes[number][0], list(draft.nodes[number][1]), draft.nodes[number][2]])
    for reader in range(copy + 2, len(draft.nodes)):
        if rng.random() < 0.5:
            draft.redirect(copy + 1, copy, [reader])
    return True


KEEPING = (
    relabel, commute, reassociate, flatten, insert_identity, remove_identity, dead_node, dead_twin, zeroed_branch,
    double_idempotent, relu_is_positive, distribute_pooling, collect_pooling, add_zero, negate_twice, split_macro,
    maximum_of_itself, subtract_as_add, explicit_settings, duplicate_weightless,
)  # fmt: skip


def rewritten(draft, rng, steps):
    """Returns a copy after `steps` random rewritings, and the names of those that found a place."""
    draft, done = draft.copy(), []
    while len(done) < steps:
        rule = KEEPING[int(rng.integers(len(KEEPING)))]
        if rule(draft, rng):
            done.append(rule.__name__)
    return draft, done


# --- changes ---------------------------------------------------------------------------------------------------------


def changed(draft, rng):
    """Returns a copy with one operation, one edge, one setting or the order of two operations changed, and what it
    was.
    """
    draft = draft.copy()
    inner = range(2, len(draft.nodes))
    reached = set(draft.outputs)
    for number in reversed(inner):
        reached |= set(draft.nodes[number][1]) if number in reached else set()
    number = int(rng.choice([number for number in inner if number in reached]))
    node = draft.nodes[number]
    what = ("operation", "edge", "weights", "order", "outputs")[int(rng.integers(5))]
    if what == "operation":
        options = UNARY if len(node[1]) == 1 else ("add", "multiply", "maximum", "subtract")
        node[0] = str(rng.choice([name for name in options if name != node[0]]))
        node[1] = node[1][:2] if node[0] == "subtract" else node[1]
    elif what == "edge":
        place = int(rng.integers(len(node[1])))
        node[1][place] = (node[1][place] + 1 + int(rng.integers(max(1, number - 1)))) % number
    elif what == "weights":  # a convolution more
        new = draft.insert(number + 1, ["nor_conv_3x3", [number], ()])
        draft.redirect(number, new, range(new + 1, len(draft.nodes)))
        draft.outputs = [new if output == number else output for output in draft.outputs]
    elif what == "order" and len(node[1]) == 1 and len(draft.nodes[node[1][0]][1]) == 1:
        node[0], draft.nodes[node[1][0]][0] = draft.nodes[node[1][0]][0], node[0]
    else:
        draft.outputs = [int(rng.choice(inner)), *draft.outputs[1:]]
    return draft, what


# --- a plain run -----------------------------------------------------------------------------------------------------


def run(graph, inputs, kernels):
    """Runs a graph of this file on arrays of shape (batch, 3, 4, 4); `kernels[node]` are the weights of a node."""
    values = []
    for number, node in enumerate(graph.nodes):
        settings = dict(node.settings)
        taken = [values[source] for source in node.inputs]
        if node.operation == "input":
            values.append(inputs[settings.get("index", 0)])
        elif node.operation == "add":
            values.append(sum(taken))
        elif node.operation in ("identity", "skip_connect"):
            values.append(taken[0])
        elif node.operation in ("zero", "none"):
            values.append(np.zeros_like(taken[0]))
        else:
            operation = OPERATIONS[node.operation]
            steps = operation.steps if isinstance(operation, Steps) else ((operation, {}),)
            result = [item[None] for item in taken]
            for step, fixed in steps:
                shapes = step.weights({**settings, **fixed}, [item.shape[2:] for item in result])
                result = [
                    step.apply({**settings, **fixed}, result, [kernels[number].reshape(1, *shape) for shape in shapes])
                ]
            values.append(result[0][0])
    return [values[output] for output in graph.outputs]


def live_weights(graph, inputs, rng):
    """The nodes whose weights change the outputs, with their numbers of weights; and all weights."""
    slots = {n: 9 if "1x1" in node.operation else 81 for n, node in enumerate(graph.nodes) if "conv" in node.operation}
    kernels = {number: rng.normal(size=count) for number, count in slots.items()}
    base = run(graph, inputs, kernels)
    found = {}
    for number, count in slots.items():
        moved = run(graph, inputs, {**kernels, number: rng.normal(size=count)})
        if any(np.abs(a - b).max() > 1e-9 for a, b in zip(base, moved, strict=False)):
            found[number] = count
    return found, kernels


def really_equal(one, other, rng):
    """Whether two graphs are one function: some matching of their weights gives equal outputs on fresh inputs."""
    inputs = [rng.normal(size=(4, 3, 4, 4)) for _ in range(2)]
    (left, kernels), (right, others) = live_weights(one, inputs, rng), live_weights(other, inputs, rng)
    if len(left) != len(right) or len(one.outputs) != len(other.outputs):
        return False
    target = run(one, inputs, kernels)
    for order in itertools.permutations(left):
        if any(left[a] != right[b] for a, b in zip(order, right, strict=False)):
            continue
        found = run(other, inputs, {**others, **{b: kernels[a] for a, b in zip(order, right, strict=False)}})
        if all(np.abs(a - b).max() < 1e-8 * max(1.0, np.abs(a).max()) for a, b in zip(target, found, strict=False)):
            return True
    return False
