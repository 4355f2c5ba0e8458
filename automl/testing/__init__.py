"""Contract suites for whoever writes a space, strategy, evaluator, pool or hasher: subclass one and run pytest."""
