"""Register programs: the language, its compiled interpreter and its analysis. Spaces and evaluators of programs both use it.

Not imported by `import automl`: it loads numba.
"""
