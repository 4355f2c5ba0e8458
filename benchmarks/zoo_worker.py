"""Measures one model after the other, each in a process of its own; run by `hash_zoo.py` in its environment.

Reads lines of JSON with a model's name, what to find (key, other, rewritings) and a limit in seconds of processor
time; prints one line of JSON for each. The libraries are imported once, and every model gets a fork of that process.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import resource
import select
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch
import zoo_rewritings
from zoo_models import Model, models, prepare

import automl
from automl import functional_hash
from automl.errors import Unhashable

GIGABYTES = 6
QUICK = 2.0
"""Models that take more seconds are hashed once."""

LIBRARIES = (
    "automl.hashing.modules torchvision timm x_transformers vit_pytorch monai.networks.nets vector_quantize_pytorch "
)
LIBRARIES += "transformers.modeling_utils transformers.generation transformers.models.llama.modeling_llama "
LIBRARIES += "transformers.models.bert.modeling_bert transformers.models.vit.modeling_vit"
"""What most models need, so that it is imported once."""


def main() -> None:
    """Serves until nothing more is asked."""
    threads = int(sys.argv[1])
    prepare()
    code()
    for name in LIBRARIES.split():
        __import__(name)
    known = {model.name: model for model in models()}
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(_in_process(known[job["name"]], job, threads)), flush=True)


@functools.cache
def code() -> str:
    """Returns a digest of the hash's own source: keys of two versions are not compared."""
    files = sorted((Path(automl.__file__).parent / "hashing").glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


def _in_process(model: Model, job: dict[str, Any], threads: int) -> dict[str, Any]:
    """Returns what a fork of this process found, or how it ended."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _limit(job["seconds"])
        torch.set_num_threads(threads)
        with os.fdopen(write, "w") as pipe, open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
            try:
                say = functools.partial(_say, pipe)
                if job["what"] == "beside":
                    find_beside(model, {one.name: one for one in models()}[job["other"]], say)
                else:
                    FINDS[job["what"]](model, say)
            except BaseException as error:
                pipe.write(json.dumps({"error": f"{type(error).__name__}: {str(error)[:300]}"}) + "\n")
            pipe.flush()
            os._exit(0)
    os.close(write)
    found: dict[str, Any] = {"name": model.name, "what": job["what"], f"code_{job['what']}": code()}
    last = time.monotonic() + 10 * job["seconds"]
    text = b""
    while time.monotonic() < last:
        if not select.select([read], [], [], 1.0)[0]:
            continue
        part = os.read(read, 65536)
        if not part:
            break
        text += part
    else:
        os.kill(child, signal.SIGKILL)
    os.close(read)
    _, status = os.waitpid(child, 0)
    for line in text.decode().splitlines():
        found |= json.loads(line)
    if os.WIFSIGNALED(status):
        found["ended"] = signal.Signals(os.WTERMSIG(status)).name
    return found


def _limit(seconds: int) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + GIGABYTES * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def find_key(model: Model, say: Any) -> None:
    """Says what a model needs in float32, and its key, twice."""
    before = _resident()
    try:
        module = model.build()
    except Exception as error:
        say(unbuilt=_sentence(error))
        return
    say(parameters=sum(item.numel() for item in module.parameters()))
    try:
        seconds = _forward_and_backward(module, model)
    except Exception as error:
        say(broken=_sentence(error))
        return
    plain = _peak()
    say(forward_seconds=round(seconds, 4), forward_mb=round(plain - before, 1))
    module = model.build()  # that pass moved the running statistics
    key, seconds = _key(module, model, say)
    if key is not None:
        say(key=key, seconds=round(seconds, 4), peak_mb=round(_peak() - plain, 1))
        if seconds <= QUICK:
            say(again=_key(module, model, say)[0])


def find_other(model: Model, say: Any) -> None:
    """Says the key that this process finds."""
    say(other=_key(model.build(), model, say)[0])


def find_rewritings(model: Model, say: Any) -> None:
    """Says the key of each rewriting that there is of a model."""
    told: dict[str, str | None] = {}
    for name, rewrite in zoo_rewritings.REWRITINGS.items():
        other = rewrite(model.build())
        if other is not None:
            told[name] = _key(other, model, say)[0]
        say(rewritings=told)


def find_beside(model: Model, other: Model, say: Any) -> None:
    """Says how far two models with one key are apart in evaluation, with the weights of the first.

    Parameters are matched by their order; where the shapes in that order differ, nothing is compared. Numbers are
    float64, or float32 where torch has no kernel for more.
    """
    one, two = model.build().eval(), other.build().eval()
    if [item.shape for item in one.parameters()] != [item.shape for item in two.parameters()]:
        say(beside=other.name, apart="their parameters stand in another order")
        return
    with torch.no_grad():
        for item, into in zip(one.parameters(), two.parameters(), strict=True):
            into.copy_(item)
        try:
            apart = _apart(one.double(), two.double(), model, torch.float64)
        except RuntimeError:
            apart = _apart(one.float(), two.float(), model, torch.float32)
    say(beside=other.name, apart=apart)


def _apart(one: torch.nn.Module, two: torch.nn.Module, model: Model, dtype: torch.dtype) -> float:
    placed, named = model.examples()
    placed = [item.to(dtype) if item.is_floating_point() else item for item in placed]
    named = {name: item.to(dtype) if item.is_floating_point() else item for name, item in named.items()}
    pairs = zip(_outputs(one(*placed, **named)), _outputs(two(*placed, **named)), strict=True)
    return max(float((a - b).abs().max() / b.abs().max().clamp(1e-12)) for a, b in pairs)


def _outputs(returned: Any) -> list[torch.Tensor]:
    from automl.hashing.outputs import tensors

    return [item.double() for _, item in tensors(returned) if item.numel() and not item.is_complex()]


FINDS = {"key": find_key, "other": find_other, "rewritings": find_rewritings}


def _say(pipe: Any, **found: Any) -> None:
    pipe.write(json.dumps(found) + "\n")
    pipe.flush()


def _key(module: torch.nn.Module, model: Model, say: Any) -> tuple[str | None, float]:
    start = _seconds()
    try:
        key = functional_hash(module, model.probe).hex()
    except Unhashable as error:
        say(refused=str(error)[:500], refused_seconds=round(_seconds() - start, 3))
        return None, 0.0
    return key, _seconds() - start


def _forward_and_backward(module: torch.nn.Module, model: Model) -> float:
    from automl.hashing.outputs import tensors

    placed, named = model.examples()
    start = _seconds()
    returned = module(*placed, **named)
    total = sum(item.float().sum() for _, item in tensors(returned) if item.requires_grad and item.is_floating_point())
    if isinstance(total, torch.Tensor):
        total.backward()
    module.zero_grad(set_to_none=True)
    return _seconds() - start


def _sentence(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:300]


def _seconds() -> float:
    return time.process_time()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
