"""Studies kept in order: found, renamed, deleted, put away, paused, merged, copied, and given another source."""

from __future__ import annotations

from automl.managing.finding import find as find
from automl.managing.studies import ADOPTS as ADOPTS
from automl.managing.studies import ARCHIVED as ARCHIVED
from automl.managing.studies import MAX_NAME as MAX_NAME
from automl.managing.studies import OF_KEEPING as OF_KEEPING
from automl.managing.studies import PAUSED as PAUSED
from automl.managing.studies import Figures as Figures
from automl.managing.studies import archive as archive
from automl.managing.studies import check_name as check_name
from automl.managing.studies import copy as copy
from automl.managing.studies import delete as delete
from automl.managing.studies import let_adopt as let_adopt
from automl.managing.studies import merge as merge
from automl.managing.studies import pause as pause
from automl.managing.studies import rename as rename
from automl.managing.studies import stop_adopting as stop_adopting
