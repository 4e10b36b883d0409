"""A storage that waits for its database: a call that the connection was lost in is made again until the patience ends."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from sqlalchemy.exc import InterfaceError, OperationalError

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 8.0
T = TypeVar("T")


class LostDatabaseError(RuntimeError):
    """The database did not answer for as long as it was waited for."""


def _is_lost(error: Exception) -> bool:
    """True for what a connection that is gone raises: SQLAlchemy's, Optuna's of it, or gRPC's, which need not be installed."""
    return isinstance(error, (StorageInternalError, OperationalError, InterfaceError)) or type(error).__module__.partition(".")[0] == "grpc"


class _Patient:
    """What makes a storage's calls again."""

    def __init__(self, storage: BaseStorage, url: str, patience_s: float):
        self._storage, self._url, self._patience_s = storage, url, patience_s

    def _until_answered(self, call: Callable[[], T]) -> T:
        pause_s, end_s = _FIRST_PAUSE_S, time.monotonic() + self._patience_s
        while True:
            try:
                return call()
            except Exception as error:  # a driver's own, of which there are many
                if not _is_lost(error):
                    raise
                last = (str(error).strip() or type(error).__name__).splitlines()[0]
                if time.monotonic() + pause_s > end_s:
                    raise LostDatabaseError(
                        f"the database {self._url} must answer, got nothing for {self._patience_s:g} s ({last}); start it and give the same command "
                        "again: what was evaluated is kept"
                    ) from error
            if pause_s == _FIRST_PAUSE_S:
                print(f"the database {self._url} does not answer ({last}): it is tried again for {self._patience_s:g} s", file=sys.stderr)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _made_again(name: str) -> Callable:
    def method(self: _Patient, *given, **named):
        return self._until_answered(functools.partial(getattr(self._storage, name), *given, **named))

    method.__name__ = name
    return method


# By name, against the house's rule: Optuna's interface has 18 methods that would all read the same.
PatientStorage = type(
    "PatientStorage",
    (_Patient, BaseStorage),
    {"__doc__": "Another storage, whose calls wait for its database.", **{name: _made_again(name) for name in (*BaseStorage.__abstractmethods__, "remove_session")}},
)
