"""Where evaluations run (the pools) and what they run (the evaluators). The engine finds all of it by entry point."""

from automl.setup import moved

moved.install()
