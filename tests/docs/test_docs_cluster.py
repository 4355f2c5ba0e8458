"""Manifests for Kubernetes are valid and fit together; the script for SLURM hands signals on and starts again."""

from __future__ import annotations

import copy
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from automl.cli import automl
from automl.study import Study

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "cluster"
SCHEMA = json.loads((Path(__file__).parent / "kuberay_v1.json").read_text())
DOCUMENTS = {
    f"{path.name} {one['kind']}": one
    for path in sorted(FOLDER.glob("*.yaml"))
    for one in yaml.safe_load_all(path.read_text())
}
KUBERNETES = "1.30"


def templates(document):
    """The pod templates of a manifest."""
    spec = document["spec"]
    cluster = spec.get("rayClusterSpec", spec)
    groups = [*cluster.get("workerGroupSpecs", []), *([cluster["headGroupSpec"]] if "headGroupSpec" in cluster else [])]
    return [group["template"] for group in groups] + ([spec["template"]] if "template" in spec else [])


def check(document):
    """Raises where a manifest is not what KubeRay and Kubernetes take; unknown fields are refused."""
    if document["apiVersion"] == "ray.io/v1":
        jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
        for template in templates(document):
            pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": template["spec"]}
            kubernetes_validate.validate(pod, KUBERNETES, strict=True)
    else:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_manifests_are_valid(name):
    check(DOCUMENTS[name])


def test_what_is_wrong_in_a_manifest_is_found():
    found = []
    for change in (
        lambda one: one["spec"].update(entryPoint="automl"),
        lambda one: one["spec"]["rayClusterSpec"]["workerGroupSpecs"][0].pop("maxReplicas"),
        lambda one: one["spec"]["rayClusterSpec"]["headGroupSpec"]["rayStartParams"].update({"num-cpus": 0}),
        lambda one: templates(one)[0]["spec"]["containers"][0].update(images="automl"),
        lambda one: templates(one)[1]["spec"]["containers"][0]["ports"][0].update(containerPort="8265"),
    ):
        document = copy.deepcopy(DOCUMENTS["rayjob.yaml RayJob"])
        change(document)
        with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)) as refused:
            check(document)
        found.append(str(refused.value).splitlines()[0])
    assert len(set(found)) == 5


def test_manifests_fit_together():
    claims = {one["metadata"]["name"] for one in DOCUMENTS.values() if one["kind"] == "PersistentVolumeClaim"}
    services = {one["metadata"]["name"] for one in DOCUMENTS.values() if one["kind"] == "Service"}
    described = (FOLDER / "postgres.yaml").read_text().partition("apiVersion")[0]
    for document in DOCUMENTS.values():
        for template in templates(document):
            spec = template["spec"]
            volumes = {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in spec.get("volumes", [])}
            own = {one["metadata"]["name"] for one in document["spec"].get("volumeClaimTemplates", [])}
            assert set(volumes.values()) <= claims
            for container in spec["containers"]:
                assert {one["name"] for one in container.get("volumeMounts", [])} <= {*volumes, *own}
                for given in container.get("env", []):
                    secret = given.get("valueFrom", {}).get("secretKeyRef")
                    assert secret is None or f"--from-literal={secret['key']}=" in described
    assert DOCUMENTS["postgres.yaml StatefulSet"]["spec"]["serviceName"] in services
    assert all(f"@{name}/" in described for name in services)
    kept = DOCUMENTS["raycluster.yaml RayCluster"]["spec"]
    assert kept == DOCUMENTS["rayjob.yaml RayJob"]["spec"]["rayClusterSpec"]  # one cluster, described once more


def test_the_job_runs_what_the_command_takes():
    program, command, *arguments = shlex.split(DOCUMENTS["rayjob.yaml RayJob"]["spec"]["entrypoint"])
    assert (program, command) == ("automl", "search")
    with automl.commands["search"].make_context("search", arguments) as context:  # raises for an unknown option
        given = context.params
    assert given["study"]  # a job that is submitted again goes on
    workers = DOCUMENTS["rayjob.yaml RayJob"]["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    limits = workers["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert (given["gpus_per_worker"], given["cpus_per_worker"]) == (int(limits["nvidia.com/gpu"]), int(limits["cpu"]))
    assert int(given["workers"]) == workers["replicas"]
    mounted = templates(DOCUMENTS["rayjob.yaml RayJob"])[0]["spec"]["containers"][0]["volumeMounts"][0]["mountPath"]
    assert all(given[name].startswith(f"{mounted}/") for name in ("checkpoints", "artefacts"))


def test_the_script_for_slurm_is_clean():
    found = shutil.which("shellcheck")
    if found is None and not os.environ.get("AUTOML_REQUIRE_SHELLCHECK"):
        pytest.skip("shellcheck is not installed")
    done = subprocess.run(["shellcheck", FOLDER / "slurm.sh"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


STAND_INS = {
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done; [ "$1" = hostname ] && echo 127.0.0.1 && exit; exec "$@"',
    "ray": 'case "$1" in start) sleep 0.2 ;; list) echo "\\"node_id\\"\\n\\"node_id\\"" ;; esac',
    "scontrol": 'case "$1" in show) echo one; echo two ;; *) echo "$@" >>"$SLURM_TEST_ASKED" ;; esac',
}
"""SLURM's commands and Ray's nodes, which are not here; the search is a real one, in its own process."""

SPACE = """
import os, time
import automl

class Line(automl.Space):
    x = automl.Integer(0, 5000)

def height(candidate):
    while not os.path.exists("go on") and candidate.x > 100:  # until it is allowed
        time.sleep(0.02)
    return candidate.x
"""


def test_slurms_warning_ends_the_search_cleanly_and_starts_it_again(tmp_path):
    for name, body in {**STAND_INS, "automl": f'exec {Path(sys.executable).with_name("automl")} "$@"'}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "line.py").write_text(SPACE)
    asked, storage = tmp_path / "asked", f"sqlite:///{tmp_path}/line.db"
    environment = {
        **os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_NODELIST": "[one,two]",
        "SLURM_CPUS_PER_TASK": "2", "SLURM_JOB_ID": "77", "SLURM_TEST_ASKED": str(asked),
    }  # fmt: skip
    given = ["--study", "line", "--storage", storage, "--trials", "30", "--evaluator", "line.py:height"]
    given += ["--workers", "0", "--no-baseline", "--strategy", "random", "--json"]
    command = [FOLDER / "slurm.sh", "line.py:Line", *given]
    first = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    for _ in range(600):
        if first.poll() is not None or ((tmp_path / "line.db").exists() and begun(storage)):
            break
        time.sleep(0.1)
    first.send_signal(signal.SIGUSR1)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 128 + signal.SIGUSR1, said.decode()
    assert asked.read_text().split() == ["requeue", "77"]
    (tmp_path / "go on").touch()
    again = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert asked.read_text().split() == ["requeue", "77"]  # it is over, and not started once more
    study = Study.open("line", storage)
    assert study.finished
    assert len(list(study.trials())) == 30
    study.close()


def begun(storage):
    from automl.errors import AutoMLError

    try:
        study = Study.open("line", storage)
    except AutoMLError:
        return False
    found = study.coordinator() is not None
    study.close()
    return found
