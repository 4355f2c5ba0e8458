"""What the workers of a study computed on stands in its record, and in its report."""

import subprocess
import sys
from types import SimpleNamespace

import automl
from automl.pool import Pool, hardware, machine
from automl.spaces.space import Space


class Points(Space):
    x = automl.Integer(0, 9)


def score(candidate):
    return candidate.x


def search(tmp_path, **given):
    return automl.search(
        Points(),
        evaluator=score,
        workers=0,
        baseline=False,
        study="mine",
        storage=f"sqlite:///{tmp_path / 'mine.db'}",
        **{"trials": 6, **given},
    )


def versions(study):
    return dict(dict(study.report().data.facts)["Versions and hardware"])


def test_the_hardware_of_all_workers_that_took_part_is_named(tmp_path, monkeypatch):
    study = search(tmp_path)
    assert versions(study)["workers"] == versions(study)["coordinator"] == machine()
    study.close()
    monkeypatch.setattr(Pool, "hardware", ["64 x Other with NVIDIA H100"])
    study = search(tmp_path)  # gone on with elsewhere
    assert versions(study)["workers"] == f"{machine()}; 64 x Other with NVIDIA H100"
    study.close()
    study = search(tmp_path)
    assert versions(study)["workers"].count("H100") == 1
    assert study.report().json()["settings"]["environment"]["workers"] == [machine(), "64 x Other with NVIDIA H100"]
    study.close()


def test_a_gpu_is_named_where_the_device_is_one(monkeypatch):
    cuda = SimpleNamespace(device_count=lambda: 2, get_device_name=lambda place: f"GPU {place}")
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert hardware("cuda") == f"{machine()} with GPU 0, GPU 1"
    assert hardware("cpu") == machine()


def test_torch_is_not_loaded_to_describe_a_processor():
    program = "import sys; from automl.pool import hardware; print(hardware('cpu')); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == machine()
