"""The page of the docs that lists every setting: `python -m automl.cli.reference > docs/settings.md`."""

from __future__ import annotations

from automl.api import SearchSettings
from automl.cli.options import flags_of
from automl.engine.config import STORED
from automl.engine.repeats import Runs
from automl.settings import GROUPS, Declared, declared
from automl.setup.parts import PartSettings

_INTRODUCTION = """\
# Settings

Every setting of `automl.search(…)` and of `automl search`. This page is made from the declarations in the code: after
a change there, run `python -m automl.cli.reference > docs/settings.md`.

*Kept*: whether the setting is stored with the study. When a study of that name is continued, what is stored is used
for every setting that is left out, and a difference is refused; of the budget, a larger one is written. All other
settings are of one run only.
"""


def page() -> str:
    """Returns the page as Markdown."""
    parts = [_INTRODUCTION]
    known = declared(SearchSettings).values()
    for group in GROUPS:
        rows = [_row(one) for one in known if one.setting.group == group]
        if rows:
            head = "| setting | command line | default | values | kept | meaning |\n|---|---|---|---|---|---|"
            parts.append(f"## {group}\n\n{head}\n" + "\n".join(rows) + "\n")
    return "\n".join(parts)


def _row(one: Declared) -> str:
    kept = one.name in {"space", *STORED, *declared(PartSettings), *declared(Runs)}
    flags = f"`{flags_of(one)}`" if one.setting.flags is not None else "TARGET" if one.name == "space" else "–"
    values = " or ".join(f"`{choice}`" for choice in one.choices) or one.setting.bounds
    cells = [f"`{one.name}`", flags, one.default_in_words(), values, "yes" if kept else "no", one.setting.meaning]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201
