"""The pages say what runs: the examples of docs/spaces.md, and the names of operations in docs/hashing.md."""

import doctest
import re
from pathlib import Path

from automl.hashing.plans import operation_names

DOCS = Path(__file__).parents[2] / "docs"


def test_the_examples_of_the_page_on_spaces_run():
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "spaces.md").read_text(), re.DOTALL)
    text = "\n".join(block for block in blocks if ">>>" in block)
    assert len(blocks) >= 6
    test = doctest.DocTestParser().get_doctest(text, {}, "spaces.md", "spaces.md", 0)
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert runner.summarize().failed == 0


def test_the_page_on_hashing_lists_all_operations():
    text = (DOCS / "hashing.md").read_text()
    section = text.partition("## The operations of graphs")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([^`]+)`", section)) >= set(operation_names())
