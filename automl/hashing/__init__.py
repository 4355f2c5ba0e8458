"""The unified functional hash: run it on fixed probe inputs, look at the numbers, mix them.

After Gillard et al. 2023, *Unified Functional Hashing in Automatic Machine Learning* (arXiv 2302.05433). Importing
this package loads neither torch nor scipy.
"""

from automl.hashing.features import Features
from automl.hashing.hasher import HASHER_VERSION, Hashed, Hasher, functional_hash
from automl.hashing.mixing import MANTISSA_BITS

__all__ = ["HASHER_VERSION", "MANTISSA_BITS", "Features", "Hashed", "Hasher", "functional_hash"]
