"""What of a project's folder stays here when it is sent to the nodes of a cluster: secrets, and what only fills disks.

Ray reads these names as the lines of a `.gitignore`, and reads the project's own `.gitignore` besides.
"""

from __future__ import annotations

from pathlib import Path

SECRETS = (
    ".env*",
    "*.env",
    ".netrc",
    ".pgpass",
    ".npmrc",
    ".pypirc",
    ".git-credentials",
    ".aws/",
    ".azure/",
    ".docker/",
    ".gnupg/",
    ".kube/",
    ".ssh/",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
)
"""Names under which passwords, tokens and private keys are kept."""

BALLAST = (
    ".git/",
    ".venv/",
    "venv/",
    "node_modules/",
    "__pycache__/",
    ".tox/",
    ".nox/",
    ".mypy_cache/",
    ".pytest_cache/",
    ".ruff_cache/",
    ".ipynb_checkpoints/",
    "*.db",
    "*.db-*",
    "*.sqlite",
    "*.sqlite-*",
    "*.sqlite3",
    "*.sqlite3-*",
    "checkpoints/",
    "*-checkpoints/",
    "artefacts/",
    "*-artefacts/",
)
"""Names of what no evaluation reads: histories, environments, caches, databases, states and artefacts of studies."""

_OF_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")


def left_out(folder: str) -> list[str]:
    """Returns the patterns of what stays here of a folder: the names above, and each environment that lies in it.

    A folder `env` is taken for an environment, unless it has modules of its own.

    Example:
        >>> (Path("project") / "py311" / "conda-meta").mkdir(parents=True)
        >>> (Path("project") / "env").mkdir()
        >>> found = left_out("project")
        >>> ".env*" in found, found[-2:]
        (True, ['/env/', '/py311/'])
        >>> (Path("project") / "env" / "maze.py").touch()
        >>> left_out("project")[-1]
        '/py311/'
    """
    found = {one.parent.name for mark in _OF_ENVIRONMENTS for one in Path(folder).glob(f"*/{mark}")}
    env = Path(folder) / "env"
    if env.is_dir() and not any(env.glob("*.py")):
        found.add("env")
    return [*SECRETS, *BALLAST, *(f"/{name}/" for name in sorted(found))]
