"""A space is what its class says and uses: in the study's identity, and in keys of what could not be probed."""

import re
import subprocess
import sys
import textwrap

import pytest
from stale_parts import from_file, from_text

import automl
from automl.errors import InvalidInput, StudyMismatch
from automl.hashing import HASHER_VERSION
from automl.setup.space_code import space_code
from automl.setup.targets import reference_to, resolve

SPACE = """
from automl import Choice, Integer, Real, Space
from torch import nn
LAYERS = [1]
def head(width): return nn.Linear(width, 10)
class Base(Space):
    def costs(self, c): return {"width": c.w}
class Net(Base):
    w = Integer(4, 9)
    rate = Real(0.1, 1.0, log=True)
    act = Choice("relu", "tanh")
    def build(self, c):
        '''A network.'''
        return nn.Sequential(nn.Flatten(), nn.Linear(64, c.w), *[nn.ReLU()] * LAYERS[0], head(c.w))
    def training(self, c): return {"learning_rate": c.rate}
f = Net()
"""
CHANGES = {
    "a range": ("Integer(4, 9)", "Integer(4, 99)", "w"),
    "an option": ('"tanh"', '"gelu"', "act"),
    "a new field": ("w = Int", "v = Integer(0, 1)\n    w = Int", "v"),
    "build": ("nn.Flatten(), ", "nn.Flatten(), nn.Identity(), ", "build"),
    "what build uses": ("Linear(width, 10)", "Linear(width, 10, bias=False)", "build"),
    "a global of build": ("[1]", "[2]", "build"),
    "training": ("c.rate}", "c.rate / 2}", "training"),
    "a method of its base": ('"width": c.w', '"width": 2 * c.w', "costs"),
}
NO_CHANGES = [
    ("'''A network.'''", "'''Another text.'''"),
    ("LAYERS = [1]", "LAYERS = [1]  # how many\nOTHER = 3"),
    ("    w = Integer(4, 9)", "    # width\n    w = Integer(4,  9)"),
]


def searched(space, folder, **given):
    return automl.search(
        space, evaluator=lambda c: 1.0, trials=4, workers=0, baseline=False, sample=2,
        storage=f"sqlite:///{folder}/a.db", **given,
    )  # fmt: skip


@pytest.mark.parametrize(("old", "new", "name"), CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("place", ["file", "no file"])
def test_what_differs_is_named(tmp_path, old, new, name, place):
    def made(text):
        return from_file(tmp_path, text).f if place == "file" else from_text(text)["f"]

    before, now = space_code(made(SPACE)).parts, space_code(made(SPACE.replace(old, new))).parts
    assert {part for part in {*before, *now} if before.get(part) != now.get(part)} == {name}


@pytest.mark.parametrize(("old", "new"), NO_CHANGES)
def test_comments_layout_and_what_it_does_not_use_are_no_other_space(tmp_path, old, new):
    searched(from_file(tmp_path, SPACE).f, tmp_path, study="mine").close()
    assert old in SPACE
    searched(from_file(tmp_path, SPACE.replace(old, new)).f, tmp_path, study="mine").close()


def test_an_object_goes_on_only_as_the_same_space(tmp_path):
    searched(from_file(tmp_path, SPACE).f, tmp_path, study="mine").close()
    for old, new, name in CHANGES.values():
        with pytest.raises(StudyMismatch, match=rf"space\.code\.{name}"):
            searched(from_file(tmp_path, SPACE.replace(old, new)).f, tmp_path, study="mine")


def test_a_file_goes_on_only_as_the_same_space_and_comments_are_none(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(SPACE.replace("f = Net()", "def one(c): return 1.0"))
    words = {"evaluator": f"{file}:one", "trials": 4, "workers": 0, "baseline": False, "sample": 2}
    storage = f"sqlite:///{tmp_path}/a.db"
    automl.search(f"{file}:Net", study="mine", storage=storage, **words).close()
    file.write_text(file.read_text() + "\n# a comment\n")
    automl.resume("mine", storage=storage, trials=5).close()
    file.write_text(file.read_text().replace("Integer(4, 9)", "Integer(4, 99)"))
    with pytest.raises(InvalidInput, match=r"has changed since the study began \(w was Integer.*high=9.*high=99"):
        automl.resume("mine", storage=storage, trials=6)


def test_a_study_of_an_older_version_goes_on_where_its_file_is_the_same(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(SPACE)
    _, reference = resolve(f"{file}:Net")
    old = {"target": reference.target, "settings": {}, "source": reference.source}
    assert reference.identity_as(old) == old
    file.write_text(SPACE + "# a comment\n")
    assert resolve(f"{file}:Net")[1].identity_as(old) != old
    new = reference.identity()
    assert resolve(f"{file}:Net")[1].identity_as(new) == new


def test_what_comes_with_the_package_is_known_by_its_name():
    _, reference = resolve("nasbench201")
    assert reference.identity() == {"target": "nasbench201", "settings": {}, "source": None}
    assert reference.code.parts == {"class": "search_spaces.nas.nasbench201:NASBench201"}


@pytest.mark.parametrize("way", ["-i", "exec", "zip"])
def test_a_class_without_a_file_is_a_space(tmp_path, way):
    text = textwrap.dedent(f"""
        import automl
        class S(automl.Space):
            a = automl.Real(0, 1)

        def value(c): return c.a

        print("best", automl.search(S(), evaluator=value, trials=3, workers=0, storage="sqlite:///{tmp_path}/a.db").best)

    """)
    if way == "-i":
        run = subprocess.run([sys.executable, "-i"], input=text, capture_output=True, text=True, check=True)
        assert "best Best(" in run.stdout, run.stderr
    elif way == "exec":
        exec(text, {"__name__": "cell"})
    else:
        import zipfile

        with zipfile.ZipFile(tmp_path / "z.zip", "w") as file:
            file.writestr("zipped_space.py", text.replace("print(", "run = lambda: print("))
        sys.path.insert(0, str(tmp_path / "z.zip"))
        try:
            import zipped_space

            zipped_space.run()
            assert re.fullmatch("[0-9a-f]{32}", reference_to(zipped_space.S()).code.digest)
        finally:
            sys.path.remove(str(tmp_path / "z.zip"))


UNPROBED = SPACE.replace("nn.Flatten(), ", "Filter(), ").replace(
    "def head",
    """import torch
FILTER = torch.eye(64)
class Filter(nn.Module):
    def forward(self, x):
        if x.abs().max() > 1000: raise ValueError("no pixels")
        return x.flatten(1) @ FILTER
def head""",
)  # the probe holds larger values than images do


@pytest.mark.parametrize(
    ("old", "new"), [("[1]", "[2]"), ("torch.eye(64)", "2 * torch.eye(64)"), ("class Net", "class Net2")]
)
def test_what_cannot_be_probed_is_not_served_to_another_space(tmp_path, old, new):
    def outcomes(text):
        study = automl.search(
            from_file(tmp_path, text.replace("f = Net2", "f = Net2")).f, task="digits",
            evaluator=automl.Classification(epochs=1), trials=2, workers=0, baseline=False, sample=2, confirm=1,
            test_seeds=1, finalists=1, storage=f"sqlite:///{tmp_path}/a.db", strategy="random",
            enqueue=[{"w": 4, "rate": 0.1, "act": "relu"}],
        )  # fmt: skip
        first = next(iter(study.trials())).outcome
        study.close()
        return first

    assert outcomes(UNPROBED) == "miss"
    assert outcomes(UNPROBED) == "hit"
    other = UNPROBED.replace(old, new).replace("f = Net()", "f = Net2()" if new == "class Net2" else "f = Net()")
    if new == "class Net2":
        other = other.replace('"tanh"', '"gelu"')  # a name alone is no difference
    assert outcomes(other) == "miss"


def test_what_can_be_probed_is_served_to_other_spaces(tmp_path):
    def keys(text):
        from automl.hashing import Hasher

        space = from_file(tmp_path, text).f
        probe = automl.Classification(task="digits").probe()
        candidate = space.decode({"w": 4, "rate": 0.1, "act": "relu"})
        pair = (space.behaviour(candidate), space.training(candidate))
        hashed = Hasher(probe, space_source=space_code(space).digest).hash_many([pair], [candidate.json])[0]
        return hashed.key, bool(hashed.fallback)

    other = SPACE.replace('"tanh"', '"gelu"')
    assert keys(SPACE) == keys(other)
    assert not keys(SPACE)[1]
    assert keys(UNPROBED)[1]
    assert keys(UNPROBED)[0] != keys(UNPROBED.replace('"tanh"', '"gelu"'))[0]
    assert HASHER_VERSION


def test_spaces_without_a_behaviour_have_no_source_in_their_keys(tmp_path):
    one, other = (
        searched(from_file(tmp_path, text).f, tmp_path, enqueue=[{"x": 3}])
        for text in ("from automl import Integer, Space\nclass A(Space):\n    x = Integer(0, 9)\nf = A()",
                     "from automl import Integer, Space\nclass B(Space):\n    x = Integer(0, 99)\nf = B()")
    )  # fmt: skip
    assert next(iter(one.trials())).key == next(iter(other.trials())).key
    assert next(iter(other.trials())).outcome == "hit"


def test_a_part_of_a_space_without_content_is_said_and_left_out(tmp_path):
    space = from_file(tmp_path, SPACE.replace("f = Net()", "f = Net()\nf.log = open(__file__)")).f
    assert space_code(space).left_out == ("self.log: an open file",)
