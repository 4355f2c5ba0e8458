"""How tests ask the cache and end claims, in one line each."""

from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion


def asked(number, key, candidate, replicates=1, first=0, audit=False):
    """What a trial asks: the replicates `first` … `replicates` - 1, and perhaps an audit."""
    return number, key, candidate, ReplicatePlan(first, replicates, 0, audit)


def done(claim, metrics, seconds=1.0, curve=""):
    return claim, Completion(claim.number, metrics, seconds=seconds, curve=curve)


def failed(claim, error, seconds=1.0):
    return claim, Completion(claim.number, fault="candidate", error=error, seconds=seconds)


def lost(claim, why):
    return claim, Completion(claim.number, fault="lost", error=why)
