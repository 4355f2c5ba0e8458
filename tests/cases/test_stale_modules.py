"""Code in imported modules of the user's is looked at, wherever it is imported; libraries are known by version."""

import sys

import pytest
from stale_parts import digest, from_file, write_package

from automl.evaluators.fingerprints import fingerprint

TRAIN = {"stale_model.py": "RATE = 1\ndef train(c): return 1\ndef other(c): return 5"}
READS = {
    "attribute": "import stale_model\ndef f(c): return stale_model.train(c)",
    "other name": "import stale_model as m\ndef f(c): return m.train(c)",
    "function": "from stale_model import train\ndef f(c): return train(c)",
    "function under another name": "from stale_model import train as g\ndef f(c): return g(c)",
    "inside": "def f(c):\n    import stale_model\n    return stale_model.train(c)",
    "inside, other name": "def f(c):\n    import stale_model as m\n    def g(): return m.train(c)\n    return g()",
    "inside, function": "def f(c):\n    from stale_model import train\n    return train(c)",
    "by its name": "import importlib\ndef f(c): return importlib.import_module('stale_model').train(c)",
    "by a name that is made": "import stale_model\ndef f(c): return getattr(stale_model, 'tra' + 'in')(c)",
    "in a closure": "import stale_model\ndef make(m):\n    return lambda c: m.train(c)\nf = make(stale_model)",
    "in a method": "import stale_model\nclass T:\n    def r(self, c): return stale_model.train(c)\nf = T().r",
}


@pytest.mark.parametrize("user", READS.values(), ids=READS)
def test_an_edited_module_is_noticed_and_what_is_not_used_is_not(tmp_path, monkeypatch, user):
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(old="", new=""):
        write_package(tmp_path, {name: text.replace(old, new) for name, text in TRAIN.items()})
        return digest(from_file(tmp_path, user).f)

    first = made()
    assert made() == first
    assert made("train(c): return 1", "train(c): return 2") != first
    assert made("train(c): return 1", "train(c): # what it gives\n        return 1") == first
    if "getattr" not in user and "by" not in user and "import_module" not in user:
        assert made("return 5", "return 6") == first


PACKAGES = {
    "helper of a helper": (
        {"stale_a.py": "import stale_b\ndef g(c): return stale_b.h(c)", "stale_b.py": "def h(c): return 1"},
        "import stale_a\ndef f(c): return stale_a.g(c)",
    ),
    "package that hands on": (
        {"stale_p/__init__.py": "from stale_p.sub import g", "stale_p/sub.py": "K = [1]\ndef g(c): return K[0]"},
        "import stale_p\ndef f(c): return stale_p.g(c)",
    ),
    "module of a package": (
        {"stale_p/__init__.py": "", "stale_p/sub.py": "def g(c): return [1]"},
        "import stale_p.sub\ndef f(c): return stale_p.sub.g(c)",
    ),
    "module of a package, inside": (
        {"stale_p/__init__.py": "", "stale_p/sub.py": "def g(c): return [1]"},
        "def f(c):\n    from stale_p import sub\n    return sub.g(c)",
    ),
    "relative import": (
        {"stale_p/__init__.py": "", "stale_p/a.py": "def g(c):\n    from .b import h\n    return h(c)",
         "stale_p/b.py": "def h(c): return 1"},
        "from stale_p.a import g\ndef f(c): return g(c)",
    ),
    "base class": (
        {"stale_base.py": "class B:\n    def r(self): return 1"},
        "import stale_base\nclass T(stale_base.B): pass\ndef f(c): return T().r()",
    ),
    "data": ({"stale_data.py": "TABLE = {'a': [1]}"}, "import stale_data\ndef f(c): return stale_data.TABLE['a']"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "user"), PACKAGES.values(), ids=PACKAGES)
def test_modules_are_followed_as_far_as_they_are_the_users(tmp_path, monkeypatch, files, user):
    monkeypatch.syspath_prepend(str(tmp_path))

    def made(new):
        write_package(tmp_path, {name: text.replace("1", new) for name, text in files.items()})
        return digest(from_file(tmp_path, user).f)

    assert made("1") == made("1")
    assert made("1") != made("2")


def test_a_library_is_its_name_and_version_and_is_listed(tmp_path, monkeypatch):
    import numpy

    read = fingerprint(from_file(tmp_path, "import numpy as np\nimport math\ndef f(c): return np.sin(math.pi)").f)
    assert read.libraries == (f"numpy {numpy.__version__}",)
    folder = tmp_path / "site-packages"
    monkeypatch.syspath_prepend(str(folder))
    found = set()
    for version in ("1.0", "2.0"):
        from automl.evaluators.fingerprints.origin import library

        library.cache_clear()
        write_package(folder, {"stale_library.py": f"__version__ = {version!r}\ndef g(c): return 1"})
        for user in (
            "import stale_library\ndef f(c): return stale_library.g(c)",
            "from stale_library import g\ndef f(c): return g(c)",
            "def f(c):\n    import stale_library as s\n    return s.g(c)",
        ):
            found.add(digest(from_file(tmp_path, user).f))
    assert len(found) == 6


def test_the_files_that_count_are_listed(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    write_package(tmp_path, TRAIN)
    module = from_file(tmp_path, READS["attribute"])
    assert fingerprint(module.f).files == (module.__file__, sys.modules["stale_model"].__file__)
