"""The text of a user's file: a small space and its evaluator."""

SPACE = '''
import math
import os
import time

from automl import Choice, Integer, Space
from automl.spaces.space import Defaults


class Pairs(Space):
    """Two numbers and a word."""

    x = Integer(0, 9)
    y = Integer(0, 9)
    word = Choice("plus", "minus")

    defaults = Defaults(evaluator=f"{__file__}:rate", trials=30, strategy_settings={"population": 8})


def rate(candidate, seed):
    time.sleep(float(os.environ.get("AUTOML_TEST_SECONDS", "0")))
    sign = 1 if candidate.word == "plus" else -1
    return {"score": candidate.x + sign * candidate.y + (seed % 100) / 1000}
'''
