"""What a report says as tables for LaTeX, so that no number has to be typed again."""

from __future__ import annotations

from collections.abc import Sequence

from automl.errors import legible
from automl.evidence import Estimate
from automl.report.data import ReportData
from automl.report.study_part import RatedCandidate
from automl.report.words import figure

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "τ": r"$\tau$",
    "ρ": r"$\rho$",
}


def escaped(text: str) -> str:
    r"""Returns text that LaTeX prints as it stands.

    Example:
        >>> print(escaped("lr_1 = 50 %"))
        lr\_1 = 50 \%
    """
    return "".join(_SPECIAL.get(letter, letter) for letter in legible(text))


def latex_tables(data: ReportData) -> dict[str, str]:
    r"""Returns the tables of one study's report by name: comparisons, candidates and outcomes.

    They take the packages booktabs and nothing else.

    Example:
        >>> import automl
        >>> class Line(automl.Space):
        ...     x = automl.Integer(0, 20)
        >>> height = automl.FunctionEvaluator(lambda candidate: candidate.x, code_version="1")
        >>> given = dict(evaluator=height, trials=20, baseline=False, workers=0, storage="sqlite:///line.db")
        >>> tables = latex_tables(automl.search(Line(), **given).report().data)
        >>> print(*sorted(tables), tables["outcomes"].splitlines()[0])
        candidates comparisons outcomes \begin{tabular}{lrrr}
    """
    final = "test" if data.held_out else "fresh seeds"
    comparisons = [
        ("average random architecture (RI, %)", *_estimate(data.ri)),
        (data.against, *_estimate(data.gain)),
        *([("random search, equal seconds", *_estimate(data.rated.gain))] if data.rated else []),
    ]
    candidates = [
        *(_candidate(f"found {item.rank}", item) for item in data.winners),
        *(_candidate(f"random best {item.rank}", item) for item in data.random_winners),
        *(_candidate("front", item) for item in data.front_members),
    ]
    outcomes = [
        (name, f"{line.trials:,}", figure(line.paid_seconds), figure(line.saved_seconds))
        for name, line in data.search.outcomes.items()
        if line.trials
    ]
    return {
        "comparisons": _table(("compared with", "difference", "low", "high"), comparisons),
        "candidates": _table(("", "validation", final, "seeds", "candidate"), candidates, "lrrrl"),
        "outcomes": _table(("outcome", "trials", "evaluating, s", "saved, s"), outcomes),
    }


def _estimate(found: Estimate) -> tuple[str, str, str]:
    return figure(found.value, sign=True), figure(found.low, sign=True), figure(found.high, sign=True)


def _candidate(word: str, item: RatedCandidate) -> tuple[str, ...]:
    what = item.description or item.candidate
    return word, figure(item.fitness), figure(item.test), str(len(item.test_values)), what


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], form: str = "") -> str:
    lines = [
        rf"\begin{{tabular}}{{{form or 'l' + 'r' * (len(head) - 1)}}}",
        r"\toprule",
        " & ".join(map(escaped, head)) + r" \\",
        r"\midrule",
        *(" & ".join(map(escaped, row)) + r" \\" for row in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
