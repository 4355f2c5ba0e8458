"""What code captures is in its fingerprint: one test a kind, for modules on disk and for code without a file."""
# ruff: noqa: E501

import pytest
from stale_parts import digest, from_file, from_text

KINDS = {
    "a container": [
        ("G=[4]\ndef f(c): return G[0]", "[4]", "[8]"),
        ("G={'a':4}\ndef f(c): return G['a']", "4}", "8}"),
        ("G={'a':[1,(2,{3})]}\ndef f(c): return G['a']", "{3}", "{4}"),
        ("import numpy as np\nA=np.array([[1],2],dtype=object)\ndef f(c): return A[0][0]", "[1]", "[3]"),
        ("import collections\nG=collections.deque([1])\ndef f(c): return G[0]", "[1]", "[2]"),
        ("import collections\nG=collections.defaultdict(lambda: 1)\ndef f(c): return G[0]", ": 1", ": 2"),
        ("G=[1]\ndef f(c): return [x for x in G]", "[1]", "[2]"),
        ("A=[1]\nA.append(A)\ndef f(c): return A[0]", "[1]", "[2]"),
    ],
    "a function in a container": [
        ("def a(c): return 1\ndef b(c): return 2\nG={'a':a}\ndef f(c): return G['a'](c)", "'a':a", "'a':b"),
        ("G=[lambda c: 1]\ndef f(c): return G[0](c)", "c: 1", "c: 2"),
        ("def a(c): return 1\ndef b(c): return 2\nG={a}\ndef f(c): return next(iter(G))(c)", "{a}", "{b}"),
    ],
    "a lambda": [
        ("A, B = (lambda c: 1), (lambda c: 2)\nf = A", "f = A", "f = B"),
        ("import numpy as np\nG=np.vectorize(lambda x: 1)\ndef f(c): return G(c)", ": 1", ": 2"),
        ("ALL = [lambda c: 1, lambda c: 2, lambda c: 3]\nf = ALL[0]", "ALL[0]", "ALL[2]"),
    ],
    "a default argument": [
        ("D=[1]\ndef f(c, d=D): return d[0]", "[1]", "[2]"),
        ("def mk(k):\n    def f(c, d=k): return d\n    return f\nf=mk(1)", "mk(1)", "mk(2)"),
        ("K=[1]\ndef f(c, *, d=K): return d[0]", "[1]", "[2]"),
    ],
    "a closure": [
        ("def mk(k):\n    def f(c): return k\n    return f\nf=mk(1)", "mk(1)", "mk(2)"),
        ("def mk(k):\n    def f(c): return k\n    return f\nf=mk(1)", "mk(1)", "mk(True)"),
        ("def mk(k):\n    def f(c): return 1/k\n    return f\nf=mk(0.0)", "mk(0.0)", "mk(-0.0)"),
        ("def mk(k):\n    def g(c): return k\n    def f(c): return g(c)\n    return f\nf=mk(1)", "mk(1)", "mk(2)"),
    ],
    "a bound object": [
        ("class T:\n    def __init__(s,k): s.k=k\n    def r(s,c): return s.k\nf=T(1).r", "T(1)", "T(99)"),
        ("G={1:2}\nf=G.get", "1:2", "1:3"),
        ("import operator\nG=operator.itemgetter(1)\ndef f(c): return G(c)", "(1)", "(2)"),
    ],
    "a callable object": [
        ("class T:\n    def __init__(s,k): s.k=k\n    def __call__(s,c): return s.k\nf=T(1)", "T(1)", "T(99)"),
        ("class T:\n    def __call__(s,c): return 1\nf=T()", "return 1", "return 2"),
        (
            "class T:\n    __slots__=('k',)\n    def __init__(s,k): s.k=k\n    def __call__(s,c): return s.k\nf=T(1)",
            "T(1)",
            "T(99)",
        ),
    ],
    "a class": [
        ("class T:\n    K=1\ndef f(c): return T.K\nT.K=2", "T.K=2", "T.K=3"),
        ("class B:\n    def r(s): return 1\nclass T(B): pass\ndef f(c): return T().r()", "return 1", "return 2"),
        (
            "class T:\n    def r(s): return 1\ndef g(s): return 5\nT.r=g\ndef f(c): return T().r()",
            "return 5",
            "return 6",
        ),
        ("class T:\n    @property\n    def p(s): return 1\ndef f(c): return T().p", "return 1", "return 2"),
        ("class T:\n    @staticmethod\n    def p(): return 1\ndef f(c): return T.p()", "return 1", "return 2"),
        (
            "import functools\ndef d(g):\n    @functools.wraps(g)\n    def w(*a): return 1*g(*a)\n    return w\nclass T:\n    @d\n    def p(s): return 1\ndef f(c): return T().p()",
            "1*g",
            "2*g",
        ),
        (
            "class M(type):\n    def k(c): return 1\nclass T(metaclass=M): pass\ndef f(c): return T.k()",
            "return 1",
            "return 2",
        ),
    ],
    "a partial": [
        ("import functools\ndef g(c,k): return k\nf=functools.partial(g,k=1)", "k=1)", "k=2)"),
        ("import functools\ndef g(c,k,j): return k\nf=functools.partial(functools.partial(g,k=1),j=2)", "k=1", "k=3"),
        (
            "import functools\ndef g(h,c): return h(c)\ndef h(c): return 1\nf=functools.partial(g,h)",
            "return 1",
            "return 2",
        ),
    ],
    "a decorated function": [
        (
            "import functools\ndef deco(k):\n    def d(g):\n        @functools.wraps(g)\n        def w(c): return k*g(c)\n        return w\n    return d\n@deco(1)\ndef f(c): return 1",
            "@deco(1)",
            "@deco(2)",
        ),
        (
            "import functools\ndef d(g):\n    @functools.wraps(g)\n    def w(c): return g(c)\n    return w\n@d\ndef f(c): return 1",
            "f(c): return 1",
            "f(c): return 2",
        ),
        (
            "import functools\ndef d(g):\n    @functools.wraps(g)\n    def w(c): return 1*g(c)\n    return w\n@d\ndef f(c): return 1",
            "1*g",
            "2*g",
        ),
        ("import functools\n@functools.lru_cache\ndef g(c): return 1\ndef f(c): return g(c)", "return 1", "return 2"),
        (
            "import functools\n@functools.singledispatch\ndef g(c): return 0\n@g.register\ndef _(c:int): return 1\ndef f(c): return g(c)",
            "return 1",
            "return 2",
        ),
        (
            "import contextlib\n@contextlib.contextmanager\ndef g():\n    yield 1\ndef f(c):\n    with g() as v: return v",
            "yield 1",
            "yield 2",
        ),
    ],
    "a name bound again": [
        ("def a(c): return 1\ndef b(c): return 2\ng=a\ndef f(c): return g(c)", "g=a", "g=b"),
        ("def a(c): return 1\ndef b(c): return 2\nbox=[a,b]\ng=a\ndef f(c): return box and g(c)", "g=a", "g=b"),
        ("abs=max\ndef f(c): return abs(c)", "=max", "=min"),
    ],
    "an object": [
        ("class C:\n    def __init__(s): s.v=[1]\nI=C()\ndef f(c): return I.v[0]", "[1]", "[2]"),
        (
            "from dataclasses import dataclass\n@dataclass\nclass C:\n    v:int\nI=C(1)\ndef f(c): return I.v",
            "C(1)",
            "C(2)",
        ),
        (
            "from dataclasses import dataclass\nD=[5]\n@dataclass\nclass C:\n    v:int=D[0]\ndef f(c): return C().v",
            "[5]",
            "[6]",
        ),
        (
            "from dataclasses import dataclass\n@dataclass\nclass C:\n    v:int=1\n    def m(s): return 1\ndef f(c): return C().m()",
            "return 1",
            "return 2",
        ),
        (
            "from dataclasses import dataclass, field\nD=[5]\n@dataclass\nclass C:\n    v:list=field(default_factory=lambda: list(D))\ndef f(c): return C().v[0]",
            "[5]",
            "[6]",
        ),
        ("class N: pass\na=N(); b=N(); a.o=b; b.o=a; a.v=1\ndef f(c): return a.v", "v=1", "v=2"),
    ],
    "an enumeration or a tuple with names": [
        ("import enum\nclass E(enum.Enum):\n    A=1\ndef f(c): return E.A.value", "A=1", "A=2"),
        ("import enum\nD=[1]\nclass E(enum.Enum):\n    A=D[0]\ndef f(c): return E.A.value", "[1]", "[2]"),
        ("import enum\nclass E(enum.Enum):\n    A=1\n    B=2\nX=E.A\ndef f(c): return X.value", "X=E.A", "X=E.B"),
        ("import collections\nP=collections.namedtuple('P','a b')\nX=P(1,2)\ndef f(c): return X.a", "P(1,2)", "P(3,2)"),
        ("from typing import NamedTuple\nclass P(NamedTuple):\n    a:int=1\ndef f(c): return P().a", "int=1", "int=2"),
    ],
    "an array": [
        ("import numpy as np\nA=np.arange(3.)\ndef f(c): return A.sum()", "3.", "4."),
        ("import numpy as np\nA=np.arange(3,dtype='f4')\ndef f(c): return A.sum()", "f4", "i4"),
        ("import numpy as np\nA=np.zeros((2,3))\ndef f(c): return A.shape[0]", "2,3", "3,2"),
    ],
    "a tensor, a module, a data set": [
        ("import torch\nA=torch.zeros(3)\ndef f(c): return A.sum()", "zeros", "ones"),
        ("import torch\nA=torch.zeros(3,dtype=torch.bfloat16)\ndef f(c): return A.sum()", "zeros", "ones"),
        ("import torch\ntorch.manual_seed(0)\nA=torch.nn.Linear(2,2)\ndef f(c): return A", "seed(0)", "seed(1)"),
        (
            "import torch\nclass N(torch.nn.Module):\n    def forward(s,x): return 1*x\nA=N()\ndef f(c): return A(c)",
            "1*x",
            "2*x",
        ),
        (
            "import torch\nA=torch.utils.data.TensorDataset(torch.arange(3))\ndef f(c): return A[0]",
            "arange(3)",
            "arange(4)",
        ),
        (
            "import torch\nA=torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.arange(3)),batch_size=1)\ndef f(c): return A",
            "batch_size=1",
            "batch_size=2",
        ),
    ],
    "a frame or an estimator": [
        ("import pandas as pd\nA=pd.DataFrame({'a':[1,2],'b':['x','y']})\ndef f(c): return A", "'y'", "'z'"),
        ("import pandas as pd\nA=pd.Series([1,2],index=['a','b'])\ndef f(c): return A", "'b'", "'c'"),
        (
            "import pandas as pd\nA=pd.DataFrame({'a':pd.Categorical(['u','v']),'d':pd.to_datetime(['2020-01-01','2020-01-02'],utc=True)})\ndef f(c): return A",
            "'2020-01-02'",
            "'2020-01-03'",
        ),
        ("import scipy.sparse as s, numpy as np\nA=s.csr_matrix(np.eye(2))\ndef f(c): return A", "eye(2)", "eye(3)"),
        ("from sklearn.linear_model import Ridge\nA=Ridge(alpha=1.0)\ndef f(c): return A", "1.0", "2.0"),
    ],
    "a generator of random numbers": [
        ("import numpy as np\nA=np.random.default_rng(0)\ndef f(c): return A.random()", "rng(0)", "rng(1)"),
        ("import random\nA=random.Random(0)\ndef f(c): return A.random()", "(0)", "(1)"),
        (
            "import torch\nA = torch.Generator().manual_seed(0)\ndef f(c): return torch.rand(1, generator=A)",
            "seed(0)",
            "seed(1)",
        ),
    ],
    "a path or a pattern": [
        ("from pathlib import Path\nA=Path('x')\ndef f(c): return A", "'x'", "'y'"),
        ("import re\nA=re.compile('x')\ndef f(c): return A", "'x'", "'y'"),
        ("import datetime\nA = datetime.timedelta(1)\ndef f(c): return A", "(1)", "(2)"),
    ],
    "a name of a library": [
        ("import math as m\ndef f(c): return m.sqrt(c)", "math", "cmath"),
        ("from math import sqrt\ndef f(c): return sqrt(c)", "math", "cmath"),
        ("from math import sin as g\ndef f(c): return g(c)", "sin", "cos"),
        ("from numpy import sin as g\ndef f(c): return g(c)", "sin", "cos"),
    ],
    "any global name": [
        ("K=[1]\ndef f(c): return eval('K')", "[1]", "[2]"),
        ("K=[1]\ndef f(c): return globals()['K']", "[1]", "[2]"),
        ("def f(c): return f.k\nf.k=1", "k=1", "k=2"),
        ("G=2\ndef f(c): return G**2", "G=2", "G=3"),
        ("G=[1]\ndef f(c):\n    def g(): return G[0]\n    return g()", "[1]", "[2]"),
        ("G=[1]\ndef f(c):\n    class K:\n        v=G[0]\n    return K.v", "[1]", "[2]"),
        ("G=[1]\ndef g():\n    yield G[0]\ndef f(c): return next(g())", "[1]", "[2]"),
        ("def f(c): return g(c)\ndef g(c): return f(c) if c else 1", "else 1", "else 2"),
        ("L=[]\ndef f(c):\n    L.append(c); return len(L)", "L=[]", "L=[1]"),
        ("def f(c):\n    'a'\n    return 'a'", "'a'\n    return 'a'", "'b'\n    return 'b'"),
    ],
}
"""Texts that define `f`, and a change after which `f` gives something else."""

CASES = [
    pytest.param(*case, id=f"{kind}-{number}") for kind, cases in KINDS.items() for number, case in enumerate(cases)
]


@pytest.mark.parametrize(("text", "old", "new"), CASES)
@pytest.mark.parametrize("place", ["file", "no file"])
def test_what_it_captures_is_in_the_fingerprint_of(tmp_path, text, old, new, place):
    def made(text):
        return digest(from_file(tmp_path, text).f if place == "file" else from_text(text)["f"])

    assert old in text
    assert made(text) == made(text)
    assert made(text) != made(text.replace(old, new))


def test_every_kind_has_three_variants():
    assert min(map(len, KINDS.values())) >= 3


SAME = [
    pytest.param(
        "G={'a':1,'b':2}\ndef f(c): return G['a']", "{'a':1,'b':2}", "{'b':2,'a':1}", id="sort order irrelevant"
    ),
    pytest.param("def f(c):\n    return 1", "    return 1", "    # x\n    return  1", id="comments"),
    pytest.param("def f(c):\n    'a'\n    return 1", "'a'", "'b'", id="docstring"),
    pytest.param("G=[1]\ndef f(c):\n    return 1", "[1]", "[2]", id="unused"),
    pytest.param(
        "import logging\nL=logging.getLogger('a')\ndef f(c):\n    L.info(1); return 1", "'a'", "'b'", id="logger"
    ),
    pytest.param(
        "import threading\nL=threading.Lock()\ndef f(c):\n    with L: return 1", "Lock()", "RLock()", id="lock"
    ),
    pytest.param("L=[]\ndef f(c):\n    L.append(c); return 1", "L=[]", "L=[1]", id="write only"),
    pytest.param(
        "def mk(L):\n    return lambda c: L.append(c) or 1\nf=mk([])", "mk([])", "mk([2])", id="write only closure"
    ),
    pytest.param(
        "import functools\nclass T:\n    @functools.cached_property\n    def p(s): return 1\nt=T()\n#\ndef f(c): return t.p",
        "#",
        "t.p",
        id="cached_property",
    ),
]


@pytest.mark.parametrize(("text", "old", "new"), SAME)
@pytest.mark.parametrize("place", ["file", "no file"])
def test_what_changes_no_result_changes_no_fingerprint(tmp_path, text, old, new, place):
    def made(text):
        return digest(from_file(tmp_path, text).f if place == "file" else from_text(text)["f"])

    assert old in text
    assert made(text) == made(text.replace(old, new))


def test_a_counter_that_is_never_read_changes_nothing(tmp_path):
    text = "N = 0\ndef f(c):\n    global N\n    N += 1\n    return 1"
    assert digest(from_file(tmp_path, text).f) == digest(from_file(tmp_path, text.replace("N = 0", "N = 5")).f)
    text += " + N"
    assert digest(from_file(tmp_path, text).f) != digest(from_file(tmp_path, text.replace("N = 0", "N = 5")).f)


def test_variables_of_the_environment_count_where_they_are_read_by_name(tmp_path, monkeypatch):
    for text in ("os.environ['STALE_X']", "os.environ.get('STALE_X')", "os.getenv('STALE_X')"):
        function = from_file(tmp_path, f"import os\ndef f(c): return {text}").f
        monkeypatch.setenv("STALE_X", "1")
        one = digest(function)
        monkeypatch.setenv("STALE_Y", "1")
        assert digest(function) == one
        monkeypatch.setenv("STALE_X", "2")
        assert digest(function) != one


def test_arguments_of_the_program_count(tmp_path, monkeypatch):
    for text in ("import sys\ndef f(c): return sys.argv[1]", "def f(c):\n    import sys\n    return sys.argv[1]"):
        function = from_file(tmp_path, text).f
        found = set()
        for arguments in (["a.py", "flat"], ["elsewhere/a.py", "flat"], ["a.py", "deep"]):
            monkeypatch.setattr("sys.argv", arguments)
            found.add(digest(function))
        assert len(found) == 2


def test_a_fingerprint_is_taken_anew_each_time(tmp_path):
    module = from_file(tmp_path, "G = [1]\nclass T:\n    k = 1\ndef f(c): return G[0] + T.k")
    seen = {digest(module.f)}
    module.G.append(2)
    seen.add(digest(module.f))
    module.T.k = 5
    seen.add(digest(module.f))
    module.G = [1]
    module.T.k = 1
    assert len(seen) == 3
    assert digest(module.f) in seen


def test_a_file_that_was_edited_and_not_loaded_again_is_not_what_runs(tmp_path):
    module = from_file(tmp_path, "def f(c): return 1")
    before = digest(module.f)
    path = tmp_path / f"{module.__name__}.py"
    path.write_text("def f(c): return 22")
    edited = digest(module.f)
    path.write_text("def f(c): return 1")
    assert edited != digest(from_file(tmp_path, "def f(c): return 22").f)
    assert digest(module.f) == before
