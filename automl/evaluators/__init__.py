"""What turns a behaviour into metrics: the contract of evaluators, tasks, learning curves, checkpoints, costs."""
