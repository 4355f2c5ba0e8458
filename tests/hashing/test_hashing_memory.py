"""What was freed while modules were hashed goes back to the system."""

import sys
import time

import psutil
import pytest

from automl.hashing.arenas import SECONDS, given_back

torch = pytest.importorskip("torch")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc keeps what is freed")
def test_freed_memory_is_given_back_once_bodies_have_taken_long_enough():
    """Pieces too small for pages of their own, among others that stay, so that nothing is given back by itself."""

    def resident():
        return psutil.Process().memory_info().rss / 2**20

    with given_back():
        time.sleep(SECONDS)  # whatever bodies took before
    pieces = [torch.ones(8000, dtype=torch.float64) for _ in range(3000)]
    kept = pieces[::50]
    full = resident()
    del pieces
    with given_back():
        pass
    before = resident()
    with given_back():
        time.sleep(SECONDS)
    assert len(kept) == 60
    assert full - resident() > 120
    assert before - resident() > 100
