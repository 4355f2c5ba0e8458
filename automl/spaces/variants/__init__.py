"""Spaces made of a module that somebody has: some of its parts are replaced, dropped or set otherwise."""

from automl.spaces.variants.changes import Drop as Drop
from automl.spaces.variants.changes import Replace as Replace
from automl.spaces.variants.changes import Together as Together
from automl.spaces.variants.space import Variants as Variants
