"""One process of many that share a cache: proposes classes at random, evaluates what it claims, waits for the rest.

    python proposer.py URL NUMBER PROPOSALS CLASSES [REPLICATES]

Prints a JSON object: what it evaluated, and how many of its proposals were answered. Each evaluation is also appended
to the file $EVALUATED before its result is stored, so that it is counted whatever happens to this process. All begin
when a file named `go` appears beside it.
"""

import json
import os
import random
import sys
import time
from pathlib import Path

from automl.cache.policy import ReplicatePlan
from automl.cache.records import Completion
from automl.cache.store import EquivalenceCache
from automl.storage.engine import Database
from automl.storage.sessions import Session

BATCH = 40
FREE_WORKERS = 6


def expected(key: bytes, replicate: int) -> dict[str, float]:
    return {"accuracy": int.from_bytes(key, "big") + replicate / 10}


def main() -> None:
    url, number, proposals, classes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    replicates = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    rng = random.Random(number)
    answered = 0
    evaluated = open(os.environ["EVALUATED"], "a", buffering=1)  # noqa: SIM115 - lives as long as the process
    with Database(url) as database, Session(database) as session:
        cache = EquivalenceCache(database, session=session)
        context = cache.context({"task": "shared"})
        keys = [rng.randrange(classes).to_bytes(16, "big") for _ in range(proposals)]
        plan = ReplicatePlan(0, replicates)
        pending = {trial: (trial, key, json.dumps([number, trial]), plan) for trial, key in enumerate(keys)}
        log = Path(os.environ["EVALUATED"])
        log.with_name(f"ready-{number}").touch()
        while not log.with_name("go").exists():
            time.sleep(0.005)
        while pending:
            requests = list(pending.values())[:BATCH]
            progress = False
            answers = cache.resolve_many(context, number, requests, FREE_WORKERS)
            for (trial, key, _, _), found in zip(requests, answers, strict=True):
                for claim in found.claims:
                    progress = True
                    time.sleep(0.002)
                    evaluated.write(f"{claim.key.hex()} {claim.replicate} {claim.seed} {claim.attempt} {number}\n")
                    ended = Completion(metrics=expected(claim.key, claim.replicate), seconds=0.001)
                    cache.finish_many(context, [(claim, ended)])
                if len(found.results) == replicates:
                    for result in found.results:
                        assert result.metrics == expected(key, result.replicate), (trial, result)
                    del pending[trial]
                    answered += 1
                    progress = True
            if not progress:
                time.sleep(0.01)
    print(json.dumps({"answered": answered}))


if __name__ == "__main__":
    main()
