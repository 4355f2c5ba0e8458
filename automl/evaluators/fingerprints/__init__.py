"""Fingerprints of a user's code and data, so that figures of what has changed are not served.

What counts is read here; what stands in a context is said in `describing`.
"""

from automl.evaluators.fingerprints.refusal import NoContent
from automl.evaluators.fingerprints.walk import Fingerprint, fingerprint

__all__ = ["Fingerprint", "NoContent", "fingerprint"]
