"""Whose fault a failed evaluation is: the candidate's, the machine's, or not known until a second process has tried."""

from __future__ import annotations

import errno
import re
import sysconfig
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from automl.errors import CandidateFailure
from automl.isolation import machine
from automl.isolation.limits import BrokenOff, OutOfTime, OwnExit
from automl.pool import Fault

AT_ONCE = (TypeError, ValueError, IndexError, KeyError, ZeroDivisionError, AssertionError)
"""Facts about a candidate, where they are raised in code that is neither Python's nor an installed library's."""

LONGEST = 20_000
"""Characters that are kept of a traceback: its beginning and its end."""

_OWN_DEVICE_FAULT = re.compile(r"device-side assert", re.IGNORECASE)
"""Told by the device, and made by whoever gave it an index out of range."""

_MACHINE_TYPES = re.compile(
    r"^(torch\.(AcceleratorError|distributed\.)|torch\._C\.(_Dist|_Accelerator|DistError)|requests\.|urllib3?\.|http\."
    r"|httpx\.|aiohttp\.|botocore\.|google\.api_core|grpc\.|ssl\.|socket\.|ray\.|multiprocessing\.context\.|psycopg)"
)

_LIBRARIES = tuple({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")} | {"<frozen "})


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in one evaluation.

    Attributes:
        fault: who is to blame; "unclear" where a second process has to fail in the same way first.
        error: the exception's type and message on one line.
        place: the exception's type and where it was raised: what is compared between two processes.
        traceback: its whole traceback, at most `LONGEST` characters.
    """

    fault: Fault
    error: str
    place: str = ""
    traceback: str = ""


def failure(error: BaseException) -> Failure:
    """Returns what is known of an evaluation that raised `error`.

    Example:
        >>> failure(RuntimeError("cuDNN error: CUDNN_STATUS_NOT_INITIALIZED")).fault
        'environment'
        >>> failure(RuntimeError("mat1 and mat2 shapes cannot be multiplied")).fault
        'unclear'
    """
    return Failure(blame(error), one_line(error), place_of(error), _whole(error))


def blame(error: BaseException) -> Fault:
    """Returns whose fault an exception is: what the machine did is never a fact about a candidate.

    "unclear" means that a second process has to fail in the same way before it is the candidate's.
    """
    chain = list(_chain(error))
    if any(isinstance(item, BrokenOff) for item in chain):
        return "stopped"
    if any(isinstance(item, OutOfTime) for item in chain):
        return "timeout"
    if isinstance(error, CandidateFailure):
        return "candidate"
    if any(_is_memory(item) for item in chain):
        return "memory"
    if any(_is_machine(item) for item in chain):
        return "environment"
    return "candidate" if isinstance(error, AT_ONCE) and _in_own_code(error) else "unclear"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields the exception, what caused it, what it was raised in the handling of, and the members of groups."""
    left, met = [error], set()
    while left:
        item = left.pop()
        if id(item) in met:
            continue
        met.add(id(item))
        yield item
        if isinstance(item, BaseExceptionGroup):
            left.extend(item.exceptions)
        if item.__cause__ is not None:
            left.append(item.__cause__)
        elif item.__context__ is not None and not item.__suppress_context__:
            left.append(item.__context__)


def _is_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    return isinstance(error, Exception) and machine.of_memory(_text(error))


def _is_machine(error: BaseException) -> bool:
    if isinstance(error, OSError | ImportError | EOFError):
        return True
    if not isinstance(error, Exception):
        return False
    kind = type(error)
    text = _text(error)
    if _OWN_DEVICE_FAULT.search(text):
        return False
    named = _MACHINE_TYPES.match(f"{kind.__module__}.{kind.__qualname__}")
    return named is not None or machine.of_machine(text)


def _text(error: BaseException) -> str:
    """Returns the type and the beginning of the message; what a data loader quotes of its worker is in it."""
    try:
        return f"{type(error).__name__}: {error}"[:4000]
    except Exception:  # a user's __str__ may raise anything
        return type(error).__name__


def _in_own_code(error: BaseException) -> bool:
    """Tells whether the innermost frame is the user's. One that was never raised is what an evaluator reports."""
    frame = error.__traceback__
    if frame is None:
        return True
    while frame.tb_next is not None:
        frame = frame.tb_next
    return not frame.tb_frame.f_code.co_filename.startswith(_LIBRARIES)


def place_of(error: BaseException) -> str:
    """Returns the exception's type and the innermost place that its traceback shows.

    Example:
        >>> place_of(ValueError("never raised"))
        'ValueError'
    """
    name = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return name
    return f"{name} at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}"


def _whole(error: BaseException) -> str:
    text = "".join(traceback.format_exception(error))
    if len(text) <= LONGEST:
        return text
    half = LONGEST // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def one_line(error: BaseException) -> str:
    """Returns the exception's type and the first 500 characters of its message, on one line."""
    if isinstance(error, OutOfTime | BrokenOff):
        return str(error)
    if isinstance(error, OwnExit):
        return f"the candidate ended its process by os._exit({error.code})"
    message = " ".join(_text(error).partition(": ")[2].split())
    return f"{type(error).__name__}: {message}"[:500] if message else type(error).__name__
