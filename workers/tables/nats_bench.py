"""NATS-Bench's official files of the topology space (Dong et al., TPAMI 2021), read without its package.

Either the one file `NATS-tss-v1_0-….pickle.pbz2`, or the folder `NATS-tss-v1_0-…-simple` with `meta.pickle.pbz2` and
one file for each architecture. Both are pickles, compressed with bz2: they are read from where the user says and
nowhere else, and by a reader that makes plain containers and numbers and refuses whatever else a pickle can ask for.
"""

from __future__ import annotations

import bz2
import pickle
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xxhash

from automl.errors import InvalidInput
from automl.jsontext import canonical
from workers.remembered import while_unchanged

PARTS = {
    "cifar10": (("cifar10-valid", "x-valid"), ("cifar10", "ori-test")),
    "cifar100": (("cifar100", "x-valid"), ("cifar100", "x-test")),
    "imagenet16-120": (("ImageNet16-120", "x-valid"), ("ImageNet16-120", "x-test")),
}
"""By data set: the training and the held-out images of validation figures, and of test figures.

For CIFAR-10 the test figures come from trainings on training and validation images together.
"""

EPOCHS = (12, 200)


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one cell, data set and length: accuracies in percent, seconds of one training, mean over the seeds."""

    validation: list[float]
    test: float
    cost: float


Table = dict[tuple[str, int], dict[str, Figures]]
"""By data set and epochs, then by the cell's string."""


def is_official(path: Path) -> bool:
    """Returns True where the path is a folder or a file that only this module reads."""
    return path.is_dir() or path.name.endswith(".pbz2")


@while_unchanged(1)
def read(path: Path) -> tuple[Table, str]:
    """Reads all figures and a fingerprint of them. The whole benchmark takes minutes.

    Raises:
        InvalidInput: it is not the benchmark's.
    """
    table: Table = {(dataset, epochs): {} for dataset in PARTS for epochs in EPOCHS}
    digest = xxhash.xxh3_128()
    try:
        for cell, lengths in _architectures(path):
            for (dataset, epochs), cells in table.items():
                found = _figures(lengths.get(str(epochs)), dataset)
                if found:
                    cells[cell] = found
                    text = canonical([cell, dataset, epochs, found.validation, found.test, found.cost])
                    digest.update(text.encode())
    except (OSError, EOFError, pickle.UnpicklingError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"{path} is no file of NATS-Bench's topology space ({type(error).__name__}: {error}); give "
            "NATS-tss-v1_0-….pickle.pbz2 or the folder NATS-tss-v1_0-…-simple, from https://github.com/D-X-Y/NATS-Bench"
        ) from error
    if not any(table.values()):
        raise InvalidInput(f"{path} holds no architecture; give the whole benchmark")
    return table, digest.hexdigest()


def _architectures(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yields each evaluated cell with its results by epochs."""
    if path.is_dir():
        names = _load(path / "meta.pickle.pbz2")["meta_archs"]
        for number, name in enumerate(names):
            file = path / f"{number:06d}.pickle.pbz2"
            if file.is_file():
                yield name, _load(file)
        return
    whole = _load(path)
    for number, lengths in sorted(whole["arch2infos"].items()):
        yield whole["meta_archs"][number], lengths


def _figures(results: Mapping[str, Any] | None, dataset: str) -> Figures | None:
    (trained_on, held_out), (tested_on, test_images) = PARTS[dataset]
    if results is None or not {trained_on, tested_on} <= results["dataset_seed"].keys():
        return None  # not every architecture was trained on everything
    validation = _runs(results, trained_on)
    test = [_accuracy(run, test_images) for run in _runs(results, tested_on)]
    seconds = [float(sum(run["train_times"].values())) for run in validation]
    return Figures(
        [_accuracy(run, held_out) for run in validation],
        round(sum(test) / len(test), 4),
        round(sum(seconds) / len(seconds), 3),
    )


def _runs(results: Mapping[str, Any], dataset: str) -> list[Mapping[str, Any]]:
    return [results["all_results"][dataset, seed] for seed in results["dataset_seed"][dataset]]


def _accuracy(run: Mapping[str, Any], images: str) -> float:
    return round(float(run["eval_acc1es"][f"{images}@{run['epochs'] - 1}"]), 4)


def _load(file: Path) -> Any:
    with bz2.open(file, "rb") as stream:
        return _Reader(stream).load()


class _Reader(pickle.Unpickler):
    """Makes what the benchmark's results consist of and nothing else."""

    ALLOWED = frozenset(
        {
            ("collections", "OrderedDict"),
            ("numpy", "dtype"),
            ("numpy.core.multiarray", "scalar"),
            ("numpy._core.multiarray", "scalar"),
            ("_codecs", "encode"),
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which figures have no use for")
        return super().find_class(module, name)
