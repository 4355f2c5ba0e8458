"""Studies kept in order: found, renamed, deleted, put away, merged, copied, and given another source."""

from __future__ import annotations

from automl.managing.finding import find
from automl.managing.studies import (
    ADOPTS,
    ARCHIVED,
    MAX_NAME,
    OF_KEEPING,
    Figures,
    archive,
    check_name,
    copy,
    delete,
    let_adopt,
    merge,
    rename,
    stop_adopting,
)

__all__ = [
    "ADOPTS",
    "ARCHIVED",
    "MAX_NAME",
    "OF_KEEPING",
    "Figures",
    "archive",
    "check_name",
    "copy",
    "delete",
    "find",
    "let_adopt",
    "merge",
    "rename",
    "stop_adopting",
]
