"""The README beside an export: what it is, how to run it without automl, and what was checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from automl.delivery.formats.form import Written
from automl.errors import legible


def readme(facts: Mapping[str, Any], written: Written, shapes: Sequence[tuple[int, ...]]) -> str:
    """Returns the text.

    Args:
        facts: on candidate, study and figures, with what was checked.
        written: by the exporter.
        shapes: of the inputs, the number of examples first.
    """
    figures = "\n".join(
        f"| {legible(name)} | {value:.6g} | {facts['checked']['figures'].get(name, float('nan')):.6g} |"
        for name, value in facts["figures"].items()
    )
    inputs = ", ".join(f"(examples, {', '.join(map(str, shape[1:]))})" for shape in shapes)
    return f"""# A network found by search

Study {legible(str(facts["study"]))}, {_seeds(facts)}. It needs no automl:
`pip install {" ".join(written.needs)}`.

```python
{written.usage}```

Inputs have the shape {inputs}, prepared as in training: {_prepared(facts)}.
{_data(facts)}

| figure on the test part | in the study | of these files |
|---|---|---|
{figures}

Before the files were put here, they were loaded and run. On {facts["checked"]["examples"]} test examples their outputs
differ from the network's by {facts["checked"]["largest_output_gap"]:.2g} of the largest output.
The figures above are what they reach on the whole test part.

{_candidates(facts)}
"""


def _seeds(facts: Mapping[str, Any]) -> str:
    if members := facts.get("ensemble"):
        return f"{len(members)} networks whose outputs are joined"
    return f"seed {facts['seed']} of its training"


def _candidates(facts: Mapping[str, Any]) -> str:
    """Returns what the untrained networks are built from, and the digests of their weights."""
    space = legible(str(facts["space"].get("target")))
    if members := facts.get("ensemble"):
        rows = "\n".join(
            f"| {one['weight']:.3g} | {one['seed']} | `{legible(json.dumps(one['candidate'], ensure_ascii=False))}` "
            f"| {one['weights']} |"
            for one in members
        )
        return (
            f"Candidates, from which the space {space} builds the untrained networks, with their weights in the "
            "mean:\n\n"
            "| weight | seed | candidate | SHA-256 of its weights as the study keeps them |\n|---|---|---|---|\n"
            f"{rows}\n\n"
            "`automl-export.json` has the same for programs."
        )
    candidate = legible(json.dumps(facts["candidate"], ensure_ascii=False))
    return (
        f"Candidate, from which the space {space} builds the untrained network:\n\n```\n{candidate}\n```\n\n"
        "`automl-export.json` has the same for programs. SHA-256 of the weights as the study keeps them: "
        f"{facts['weights']}."
    )


def _data(facts: Mapping[str, Any]) -> str:
    """Returns how rows become inputs and what outputs mean, as far as the task says so."""
    said = ""
    if columns := facts.get("columns"):
        rows = "\n".join(f"| {legible(str(one['name']))} | {_encoded(one)} |" for one in columns)
        said += "\nThe inputs are made of the columns of a table, in this order:\n\n| column | inputs |\n|---|---|\n"
        said += f"{rows}\n"
    if classes := facts.get("classes"):
        said += f"\nThe outputs are logits of the classes {legible(', '.join(map(str, classes)))}, in this order.\n"
    return said


def _encoded(column: Mapping[str, Any]) -> str:
    if column["categories"]:
        text = f"1 where it is {legible(', '.join(column['categories']))}, else 0: one input each"
    else:
        text = f"(value − {column['center']:.9g}) / {column['scale']:.9g}, missing values {column['fill']:.9g}"
        text = f"seconds since 1970; {text}" if column["time"] else text
    return f"{text}; one more that is 1 where it is missing" if column["missing"] else text


def _prepared(facts: Mapping[str, Any]) -> str:
    task = facts["evaluator"].get("settings", {}).get("task")
    name = task.get("name") if isinstance(task, Mapping) else None
    of = f" (task {legible(str(name))})" if name else ""
    return f"real numbers as float32, unsigned bytes divided by 255, token indices as int64{of}"
