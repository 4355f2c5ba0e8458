"""Exports run where there is no automl, compute what the network computes, and are refused where they do not."""

import copy
import importlib.util
import json
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from delivery_parts import SMALL

import automl
from automl import registry
from automl.cli import automl as command
from automl.delivery.formats import onnx, pt2
from automl.delivery.formats.form import Trained
from automl.errors import InvalidInput

ELSEWHERE = """
import re, sys
from pathlib import Path

class NoAutoml:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("automl", "workers", "search_spaces"):
            raise ImportError(name)

sys.meta_path.insert(0, NoAutoml())
import os, numpy as np, torch
given = np.load("inputs.npy")
for form in sys.argv[1:]:
    os.chdir(form)
    sys.path.insert(0, os.getcwd())
    source = re.search(r"```python\\n(.*?)```", Path("README.md").read_text(), re.DOTALL).group(1)
    names = {"inputs": given if form == "onnx" else torch.from_numpy(given)}
    if form == "safetensors":
        source = source.partition("model.load")[0]
        source += "outputs = sum(one.double().abs().sum() for one in weights.values())"
    with torch.no_grad():
        exec(source, names)
    os.chdir("..")
    np.save(f"{form}.npy", np.asarray(names["outputs"]))
"""


@pytest.fixture
def said(monkeypatch):
    """What torch says of the operators that it has for ONNX."""
    logger, found, heard = logging.getLogger(onnx.REGISTRATION), [], logging.Handler()
    monkeypatch.setattr(logger, "handlers", [*logger.handlers, heard])
    monkeypatch.setattr(heard, "emit", lambda record: found.append(record.getMessage()))
    return found


def test_every_form_is_loaded_in_a_process_without_automl(nets, tmp_path, said):
    forms = ["pt2", "onnx", "python", "safetensors"]
    for form in forms:
        assert nets.export(form, tmp_path / form) == tmp_path / form
    assert said == []
    inputs = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
    np.save(tmp_path / "inputs.npy", inputs)
    subprocess.run([sys.executable, "-c", ELSEWHERE, *forms], check=True, cwd=tmp_path, timeout=300)
    model = nets.best.model()
    with torch.no_grad():
        ours = model(torch.from_numpy(inputs)).numpy()
    for form in forms[:3]:
        np.testing.assert_allclose(np.load(tmp_path / f"{form}.npy"), ours, atol=1e-5)
    own = dict(model.state_dict())
    shared = [name for name in own if name.endswith("last.weight")]
    total = sum(float(one.double().abs().sum()) for name, one in own.items() if name not in shared)
    assert float(np.load(tmp_path / "safetensors.npy")) == pytest.approx(total)
    facts = json.loads((tmp_path / "onnx" / "automl-export.json").read_text())
    assert facts["figures"] == nets.trained().metrics
    assert facts["checked"]["figures"]["accuracy"] == pytest.approx(facts["figures"]["accuracy"], abs=2e-3)
    assert f"{facts['figures']['accuracy']:.6g}" in (tmp_path / "onnx" / "README.md").read_text()


def test_onnx_says_nothing_of_torchvision_and_all_else(said):
    from torch.onnx._internal.exporter._registration import ONNXRegistry

    with onnx.without_torchvision():
        ONNXRegistry.from_torchlib()  # what every export begins with
        assert said == []
        logging.getLogger(onnx.REGISTRATION).warning("%s of another kind", "something")
    assert said == ["something of another kind"]
    ONNXRegistry.from_torchlib()
    assert importlib.util.find_spec("torchvision") or "torchvision::nms" in said[1]


@pytest.fixture
def exporter(monkeypatch):
    """Registers an exporter under the name pt2."""

    def register(write):
        load = registry.load
        monkeypatch.setattr(registry, "load", lambda group, name: write if group == "exporters" else load(group, name))

    return register


def test_an_export_that_computes_something_else_is_refused_and_leaves_nothing(nets, tmp_path, exporter):
    def wrong(trained, folder):
        with torch.no_grad():
            trained.module[-1].bias[0] += 0.01
        return pt2.write(trained, folder)

    exporter(lambda trained, folder: wrong(Trained(copy.deepcopy(trained.module), trained.examples), folder))
    with pytest.raises(InvalidInput, match=r"refused: its outputs differ from the network's by 0\.\d+ of"):
        nets.export("pt2", tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


def test_an_export_whose_test_figure_is_another_one_is_refused(nets, tmp_path, exporter):
    class OnExamplesOnly(torch.nn.Module):
        """Right on the examples that outputs are compared on, which are fewer than the test part has."""

        def __init__(self, module):
            super().__init__()
            self.module = module

        def forward(self, inputs):
            outputs = self.module(inputs)
            return outputs if len(inputs) <= 256 else outputs.roll(1, dims=1)

    def wrong(trained, folder):
        written = pt2.write(trained, folder)
        return type(written)(lambda: OnExamplesOnly(trained.module), "", ())

    exporter(wrong)
    with pytest.raises(InvalidInput, match=r"refused: its accuracy on the test part is 0\.\d+, and the network's was"):
        nets.export("pt2", tmp_path / "wrong")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_traced_names_its_line(tmp_path):
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x if float(x.sum()) > 0 else -x

    with pytest.raises(InvalidInput, match=r"cannot be traced.*test_delivery_export\.py, line \d+, in forward"):
        pt2.write(Trained(Branching().eval(), (torch.ones(3, 2),)), tmp_path)


def test_buffers_that_a_run_changes_are_refused_by_the_form_that_cannot_say_so(tmp_path):
    from automl.delivery.formats import python

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return x + self.calls

    with pytest.raises(InvalidInput, match="the network writes to 'calls' when it is run"):
        python.write(Trained(Counting().eval(), (torch.ones(3, 2),)), tmp_path)


def invoke(*arguments):
    """Exit code and output of the command, as `main` gives them."""
    result = CliRunner().invoke(command, [str(one) for one in arguments])
    return (2 if isinstance(result.exception, InvalidInput) else result.exit_code), result.output or str(
        result.exception
    )


def test_the_command_writes_and_says_both_figures(nets, tmp_path):
    nets_url = f"sqlite:///{nets.database.beside('')[:-1]}"
    arguments = ["export", "nets", tmp_path / "out", "--to", "safetensors", "--storage", nets_url]
    code, said = invoke(*arguments)
    assert code == 0, said
    assert "weights.safetensors" in said
    assert f"accuracy on the test part: {nets.trained().metrics['accuracy']:.6g} in the study" in said
    code, said = invoke(*arguments, "--json")
    assert code == 2
    assert "is there already and not an empty folder; name a new one" in said
    arguments[2] = tmp_path / "other"
    code, said = invoke(*arguments, "--json", "--trial", nets.best.trial)
    assert json.loads(said)["form"] == "safetensors"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "pt3"], "unknown exporter 'pt3'; did you mean pt2"),
        (["--to", "pt2", "--trial", "99"], "has no trial 99"),
    ],
)
def test_mistakes_leave_nothing(nets, tmp_path, arguments, said):
    nets_url = f"sqlite:///{nets.database.beside('')[:-1]}"
    code, output = invoke("export", "nets", tmp_path / "out", *arguments, "--storage", nets_url)
    assert code == 2
    assert said in output
    assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named(nets, tmp_path, monkeypatch):

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "onnx" else find(name, *more))
    with pytest.raises(InvalidInput, match=r"ONNX needs onnx: pip install 'automl-functional-hashing\[onnx\]'"):
        nets.export("onnx", tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="limits of files are POSIX's")
def test_no_room_for_an_export_is_one_sentence_and_leaves_nothing(nets, tmp_path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    model = nets.trained()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # no file may grow beyond: as on a full disk
    try:
        with pytest.raises(InvalidInput, match=r"cannot be written: File too large"):
            model.export("safetensors", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("target", "settings", "text"),
    [
        ("activation", {"evaluator.epochs": 1, "evaluator.networks": 1}, "def activation(x"),
        ("automl-zero-linear", {}, "class Algorithm"),
    ],
)
def test_candidates_that_are_no_network_are_written_as_source(tmp_path, target, settings, text):
    given = {**SMALL, "trials": 4, "storage": f"sqlite:///{tmp_path}/s.db", "settings": settings, "study": "s"}
    given["baseline"] = False
    study = automl.search(target, **given)
    folder = study.export("python", tmp_path / "out")
    assert text in (folder / "candidate.py").read_text()
    code = f"import sys; sys.modules['automl'] = None; exec(open({str(folder / 'candidate.py')!r}).read())"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100)
    with pytest.raises(InvalidInput, match="hands over no trained network"):
        study.export("pt2", tmp_path / "other")
    study.close()


def test_whoever_runs_a_network_of_a_table_is_told_its_columns_and_classes():
    import pandas as pd

    from automl.data import from_frame
    from automl.delivery.readme import _data
    from workers.networks.classification import Classification

    frame = pd.DataFrame({"size": [1.0, 2.0, None, 4.0] * 10, "colour": ["red", "blue"] * 20, "kind": ["a", "b"] * 20})
    found = Classification(from_frame(frame, "kind")).described_data()
    assert found["classes"] == ["a", "b"]
    said = _data(found)
    assert "| size | (value − " in said
    assert "one more that is 1 where it is missing" in said
    assert "| colour | 1 where it is blue, red, else 0: one input each |" in said
    assert "logits of the classes a, b, in this order" in said
