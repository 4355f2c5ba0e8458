"""Register programs: the language, its compiled interpreter and its analysis, for spaces and evaluators alike.

Not imported by `import automl`: it loads numba.
"""
