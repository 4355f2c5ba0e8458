"""Random networks as small specifications, each of which can be written as a torch module in many ways."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

CHANNELS = 4
ACTIVATIONS = ("relu", "tanh", "silu", "gelu", "sigmoid")

# A specification is a list of steps that keep the shape (batch, 4, height, width):
#   ("conv", kernel, groups, bias) ("bn", momentum) ("gn", groups) ("act", name) ("pool",) ("max",) ("drop", rate)
# ("detach",)   ("res", steps) ("sum", [steps, steps]) ("gate", steps, steps) ("mix", steps, steps) ("twice", steps)
# ("both", steps) "gate" is a * sigmoid(b); "mix" concatenates and convolves back; "twice" applies one layer two
# times, "both" two such layers.


def random_spec(rng, depth=None):
    depth = 1 + int(rng.random() < 0.25) if depth is None else depth
    steps = []
    for _ in range(int(rng.integers(2, 4 if depth < 2 else 5))):
        drawn = rng.random()
        if drawn < 0.3 or depth == 0:
            steps.append(_layer(rng))
        elif drawn < 0.5:
            steps.append(("act", str(rng.choice(ACTIVATIONS))))
        elif drawn < 0.6:
            steps.append(("bn", 0.1) if rng.random() < 0.6 else ("gn", int(rng.choice([1, 2]))))
        elif drawn < 0.66:
            steps.append((str(rng.choice(["pool", "max"])),))
        elif drawn < 0.7:
            steps.append(("drop", float(rng.choice([0.1, 0.5]))))
        else:
            name = str(rng.choice(["res", "sum", "gate", "mix", "twice", "both"]))
            inner = [random_spec(rng, depth - 1) for _ in range(2)]
            if name == "sum":
                steps.append(("sum", inner))
            elif name in ("gate", "mix"):
                steps.append((name, *inner))
            elif name == "res":
                steps.append(("res", inner[0]))
            else:
                steps.append((name, [_layer(rng), ("act", str(rng.choice(ACTIVATIONS)))]))
    return steps


def _layer(rng):
    return ("conv", int(rng.choice([1, 3])), int(rng.choice([1, 1, 2])), bool(rng.random() < 0.5))


class Coder:
    """Writes a specification as a module; `rng` chooses among the ways, `None` takes the plainest everywhere."""

    def __init__(self, rng):
        self.rng = rng
        self.used = set()

    def way(self, *names):
        if self.rng is None:
            return names[0]
        name = str(self.rng.choice(names))
        self.used.add(name)
        return name

    def network(self, steps):
        return Network(self.sequence(steps), self)

    def sequence(self, steps):
        made = []
        for place, step in enumerate(steps):
            fresh = place > 0 and steps[place - 1][0] in ("conv", "bn", "gn")
            made.append(self.step(step, fresh))
            if self.rng is not None and self.rng.random() < 0.15:
                made.append(
                    {"identity": nn.Identity, "no dropout": lambda: nn.Dropout(0.0), "times one": TimesOne}[
                        self.way("identity", "no dropout", "times one")
                    ]()
                )
        way = self.way("sequential", "registered in another order", "nested")
        if way == "sequential":
            return nn.Sequential(*made)
        if way == "nested" and len(made) > 1:
            return nn.Sequential(nn.Sequential(*made[:1]), nn.Sequential(*made[1:]))
        return Shuffled(made, self)

    def step(self, step, fresh=False):
        name, *rest = step
        if name == "conv":
            kernel, groups, bias = rest
            ways = ["conv module", "conv functional"] + (["conv as linear"] if kernel == 1 and groups == 1 else [])
            return {"conv module": Conv, "conv functional": OwnConv, "conv as linear": AsLinear}[self.way(*ways)](
                kernel, groups, bias
            )
        if name == "act":
            return Act(rest[0], self.way(*_ACTS[rest[0]], *(["inplace"] if fresh and rest[0] == "relu" else [])))
        if name == "bn":
            return (
                nn.BatchNorm2d(CHANNELS, momentum=rest[0])
                if self.way("bn", "bn functional") == "bn"
                else OwnNorm(rest[0])
            )
        if name == "gn":
            return nn.GroupNorm(rest[0], CHANNELS) if self.way("gn", "gn functional") == "gn" else OwnGroup(rest[0])
        if name == "pool":
            return Pool(self.way("avg module", "avg functional", "avg as convolution"))
        if name == "max":
            return nn.MaxPool2d(3, 1, 1)
        if name == "drop":
            return nn.Dropout(rest[0]) if self.way("dropout", "dropout functional") == "dropout" else Drop(rest[0])
        if name == "detach":
            return Detach()
        if name == "frozen":
            return self.sequence(rest[0]).requires_grad_(False)
        if name == "sum":
            return Combined([self.sequence(inner) for inner in rest[0]], "sum", self)
        if name == "res":
            return Combined([nn.Identity(), self.sequence(rest[0])], "sum", self)
        if name in ("gate", "mix"):
            return Combined([self.sequence(inner) for inner in rest], name, self)
        layers = [self.sequence(rest[0])]
        layers += [layers[0] if name == "twice" else self.sequence(rest[0])]
        return nn.Sequential(*layers) if self.way("repeat", "repeat with alias") == "repeat" else Aliased(layers)


_ACTS = {
    "relu": ("relu module", "torch.relu", "clamp", "relu doubled", "half of x and its size"),
    "tanh": ("tanh module", "torch.tanh"),
    "silu": ("silu module", "x times sigmoid"),
    "gelu": ("gelu module", "gelu functional"),
    "sigmoid": ("sigmoid module", "torch.sigmoid"),
}
_CALLS = {
    "torch.relu": torch.relu,
    "clamp": lambda x: x.clamp(min=0),
    "relu doubled": lambda x: F.relu(F.relu(x)),
    "half of x and its size": lambda x: 0.5 * (x + x.abs()),
    "inplace": lambda x: F.relu_(x),
    "torch.tanh": torch.tanh,
    "x times sigmoid": lambda x: x * torch.sigmoid(x),
    "gelu functional": F.gelu,
    "torch.sigmoid": torch.sigmoid,
    "relu module": nn.ReLU(),
    "tanh module": nn.Tanh(),
    "silu module": nn.SiLU(),
    "gelu module": nn.GELU(),
    "sigmoid module": nn.Sigmoid(),
}


class Network(nn.Module):
    def __init__(self, body, coder):
        super().__init__()
        self.way = coder.way("adaptive", "mean", "two means")
        if coder.way("head last", "head first") == "head first":
            self.head, self.body = nn.Linear(CHANNELS, 3), body
        else:
            self.body, self.head = body, nn.Linear(CHANNELS, 3)
        if coder.way("nothing dead", "dead layer") == "dead layer":
            self.dead = nn.Linear(CHANNELS, CHANNELS)
        self.dead_branch = (
            nn.Conv2d(CHANNELS, CHANNELS, 1) if coder.way("no branch", "dead branch") == "dead branch" else None
        )

    def forward(self, x):
        x = self.body(x)
        if self.dead_branch is not None:
            self.dead_branch(x)
        if self.way == "adaptive":
            return self.head(F.adaptive_avg_pool2d(x, 1).flatten(1))
        return self.head(x.mean((2, 3)) if self.way == "mean" else x.mean(-1).mean(-1))


class Shuffled(nn.Module):
    def __init__(self, made, coder):
        super().__init__()
        for place in coder.rng.permutation(len(made)):
            setattr(self, f"part{place}", made[place])
        self.count = len(made)

    def forward(self, x):
        for place in range(self.count):
            x = getattr(self, f"part{place}")(x)
        return x


class Aliased(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.second, self.first = layers[1], layers[0]
        self.again = layers[0]

    def forward(self, x):
        return self.second(self.again(x))


class Combined(nn.Module):
    def __init__(self, branches, what, coder):
        super().__init__()
        self.what = what
        self.swapped = coder.way("as written", "commuted") == "commuted"
        order = [1, 0] if coder.way("in order", "registered backwards") == "registered backwards" else [0, 1]
        for place in order:
            setattr(self, f"branch{place}", branches[place])
        if what == "mix":
            self.back = nn.Conv2d(2 * CHANNELS, CHANNELS, 1)

    def forward(self, x):
        # the branches must not work in place on what both read, so each has its own copy
        if self.swapped:
            b = self.branch1(x.clone())
            a = self.branch0(x.clone())
        else:
            a, b = self.branch0(x.clone()), self.branch1(x.clone())
        if self.what == "sum":
            return b + a if self.swapped else a + b
        if self.what == "gate":
            return torch.sigmoid(b) * a if self.swapped else a * torch.sigmoid(b)
        return self.back(torch.cat([a, b], 1))


class Conv(nn.Conv2d):
    def __init__(self, kernel, groups, bias):
        super().__init__(CHANNELS, CHANNELS, kernel, padding=kernel // 2, groups=groups, bias=bias)


class OwnConv(nn.Module):
    def __init__(self, kernel, groups, bias):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(CHANNELS)) if bias else None
        self.kernel = nn.Parameter(torch.randn(CHANNELS, CHANNELS // groups, kernel, kernel))
        self.groups = groups

    def forward(self, x):
        found = F.conv2d(x, self.kernel, padding="same", groups=self.groups)
        return found if self.shift is None else found + self.shift.view(1, -1, 1, 1)


class AsLinear(nn.Module):
    def __init__(self, kernel, groups, bias):
        super().__init__()
        self.layer = nn.Linear(CHANNELS, CHANNELS, bias=bias)

    def forward(self, x):
        return self.layer(x.movedim(1, -1)).movedim(-1, 1)


class Act(nn.Module):
    def __init__(self, name, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        return _CALLS[self.way](x)


class OwnNorm(nn.Module):
    def __init__(self, momentum):
        super().__init__()
        self.beta, self.gamma = nn.Parameter(torch.zeros(CHANNELS)), nn.Parameter(torch.ones(CHANNELS))
        self.register_buffer("mean", torch.zeros(CHANNELS))
        self.register_buffer("var", torch.ones(CHANNELS))
        self.momentum = momentum

    def forward(self, x):
        return F.batch_norm(x, self.mean, self.var, self.gamma, self.beta, self.training, self.momentum)


class OwnGroup(nn.Module):
    def __init__(self, groups):
        super().__init__()
        self.beta, self.gamma = nn.Parameter(torch.zeros(CHANNELS)), nn.Parameter(torch.ones(CHANNELS))
        self.groups = groups

    def forward(self, x):
        parts = x.reshape(len(x), self.groups, -1)
        parts = (parts - parts.mean(-1, keepdim=True)) / (parts.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return parts.reshape(x.shape) * self.gamma.view(1, -1, 1, 1) + self.beta.view(1, -1, 1, 1)


class Pool(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way

    def forward(self, x):
        if self.way == "avg as convolution":
            ones = torch.ones(CHANNELS, 1, 3, 3, dtype=x.dtype) / 9
            return F.conv2d(x, ones, padding=1, groups=CHANNELS)
        return nn.AvgPool2d(3, 1, 1)(x) if self.way == "avg module" else F.avg_pool2d(x, 3, 1, 1)


class Drop(nn.Module):
    def __init__(self, rate):
        super().__init__()
        self.rate = rate

    def forward(self, x):
        return F.dropout(x, self.rate, self.training)


class TimesOne(nn.Module):
    def forward(self, x):
        return x * 1.0


class Detach(nn.Module):
    def forward(self, x):
        return x.detach()


def changed(steps, rng):
    """Returns a specification that differs in one place so that the function differs, and what was changed."""
    steps = copy.deepcopy(steps)
    place = int(rng.integers(len(steps)))
    name, *rest = steps[place]
    if name in ("res", "sum", "gate", "mix", "twice", "both") and rng.random() < 0.5:
        if name == "sum":
            inner, what = changed(rest[0][0], rng)
            steps[place] = ("sum", [inner, rest[0][1]])
        else:
            inner, what = changed(rest[0], rng)
            steps[place] = (name, inner, *rest[1:])
        return steps, what
    if name == "conv":
        kernel, groups, bias = rest
        drawn = int(rng.integers(4))
        if drawn == 3:
            steps[place] = ("frozen", [steps[place]])
            return steps, "frozen"
        options = [
            ("conv", 4 - kernel, groups, bias),
            ("conv", kernel, 3 - groups, bias),
            ("conv", kernel, groups, not bias),
        ]
        steps[place] = options[drawn]
        return steps, ("kernel", "groups", "bias")[drawn]
    if name == "act":
        steps[place] = ("act", str(rng.choice([other for other in ACTIVATIONS if other != rest[0]])))
        return steps, "activation"
    if name == "bn":
        steps[place] = ("bn", 0.2) if rng.random() < 0.5 else ("gn", 1)
        return steps, "norm"
    if name == "gn":
        steps[place] = ("gn", 3 - rest[0])
        return steps, "norm"
    if name == "drop":
        steps[place] = ("drop", rest[0] + 0.1)
        return steps, "dropout rate"
    if name in ("twice", "both"):
        steps[place] = ("both" if name == "twice" else "twice", rest[0])
        return steps, "sharing"
    if name in ("sum", "gate", "mix"):
        steps.insert(place, ("detach",))
        return steps, "detached"
    steps.insert(place + 1, ("conv", 1, 1, False))
    return steps, "one layer more"
