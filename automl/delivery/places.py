"""Where a search's artefacts are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from automl.artefacts.store import ArtefactStore
from automl.errors import InvalidInput
from automl.storage.engine import Database


def store_of(url: str | None, database: Database) -> ArtefactStore | None:
    """Returns the store at a URL, or beside an SQLite database; None where there is neither.

    Example:
        >>> store_of(None, Database("sqlite:///cells.db")).url.endswith("cells.db-artefacts")
        True
    """
    place = url or database.beside("artefacts")
    return ArtefactStore(place) if place else None


def placed(url: str) -> str:
    """Returns the URL of a store in a form that holds in every working directory.

    Example:
        >>> placed("s3://bucket/kept")
        's3://bucket/kept'
    """
    return url if "://" in url else str(Path(url).expanduser().absolute())


def store_of_study(settings: Mapping[str, Any], database: Database, url: str | None = None) -> ArtefactStore:
    """Returns the store in which a study has kept its weights.

    Args:
        settings: stored settings of the study.
        database: of the study.
        url: where they are now; None takes what the study has noted.

    Raises:
        InvalidInput: it kept none, and there is no place for any.
    """
    noted = settings.get("environment", {}).get("artefacts")
    found = store_of(url or (noted if isinstance(noted, str) else None), database)
    if found is None:
        raise InvalidInput("this study keeps no artefacts, for its database is no file; name a place: --artefacts URL")
    return found
