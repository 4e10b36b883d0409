"""A study that several processes work on: where it is kept, what it holds, and whose trials have died."""

from __future__ import annotations

import datetime
import os
import pathlib
import socket
import time
import uuid
import warnings
from collections.abc import Sequence

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from bertnas_jax.search.early_stop import Rival, Score, unpack
from bertnas_jax.search.evaluated import Evaluated
from bertnas_jax.search.patient_storage import PatientStorage
from bertnas_jax.search.samplers import Limits, choices_of, is_whole, subnet_of
from bertnas_jax.space import SearchSpace, Subnet

JOURNAL_FILE, NAME_FILE = "study.journal", "study_name"
_GRPC, _OWNER = "grpc://", "owner"
_RIGHT, _STOPPED = "right", "stopped_after"
_POLL_S, _SERVER_S = 0.02, 20
# A trial of another machine, where nobody can be asked, is given up after this many times the longest that ended,
# and not before this many seconds.
_STALE_TIMES, _STALE_SECONDS = 20, 600


def open_study(folder: pathlib.Path, storage: str = "", patience_s: float = 0.0) -> optuna.Study:
    """The study of a run, made if it is not there, in a journal in `folder` or in what `storage` names, whose database is waited for if it goes away.

    Raises:
      ValueError: the storage cannot be opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    name = _name(folder) if storage else "search"
    try:
        kept = _storage(folder, storage)
        study = optuna.create_study(study_name=name, storage=kept, directions=["maximize", "minimize"], load_if_exists=True)
    except Exception as error:  # the driver's own, of which there are many
        if not storage:
            raise
        last = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"storage must name a database that is there, such as postgresql://user@host/name or grpc://host:port, got {storage!r} ({last}); "
            "start it, or install its driver"
        ) from error
    if storage:  # only once it is there
        study = optuna.load_study(study_name=name, storage=PatientStorage(optuna.storages.get_storage(kept), storage, patience_s))
    fail_orphans(study, before=True)
    return study


def _storage(folder: pathlib.Path, url: str) -> BaseStorage:
    if url.startswith("sqlite"):
        raise ValueError("SQLite lets two processes begin one trial")
    if not url:
        return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL_FILE)))
    if url.startswith(_GRPC):
        host, _, port = url.removeprefix(_GRPC).partition(":")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            proxy = optuna.storages.GrpcStorageProxy(host=host, port=int(port))
        proxy.wait_server_ready(timeout=_SERVER_S)
        return proxy
    return optuna.storages.RDBStorage(url)


def _name(folder: pathlib.Path) -> str:
    """The study's name in a storage that other runs may use too; the first process of a run makes it up."""
    path = folder / NAME_FILE
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(f"bertnas-{uuid.uuid4()}")
    except FileExistsError:
        pass
    return path.read_text(encoding="utf-8")


def begin(study: optuna.Study, wanted: Subnet | None = None) -> optuna.Trial:
    """A trial of this process, of `wanted` or of what the sampler proposes."""
    owner = [socket.gethostname(), os.getpid()]
    # Enqueued even without choices: so a trial has an owner from its first moment on.
    study.enqueue_trial(choices_of(wanted) if wanted else {}, user_attrs={_OWNER: owner})
    trial = study.ask()
    trial.set_user_attr(_OWNER, owner)  # it may have been enqueued by another
    return trial


def trials(study: optuna.Study, *states: TrialState) -> Sequence[FrozenTrial]:
    """The study's trials of these states, in order."""
    return study.get_trials(deepcopy=False, states=states)


def evaluated(study: optuna.Study, space: SearchSpace) -> dict[Subnet, Evaluated]:
    """What has been evaluated, in order, each Subnet once.

    Raises:
      ValueError: the study is of another space.
    """
    found: dict[Subnet, Evaluated] = {}
    for trial in trials(study, TrialState.COMPLETE):
        try:
            subnet = subnet_of(trial.params, space)
        except ValueError as error:
            raise ValueError(f"the study must be of this run's space, got trial {trial.number} of another ({error}); give another --workdir") from error
        found.setdefault(subnet, Evaluated(subnet, *trial.values, trial.user_attrs.get(_STOPPED)))
    return found


def note_score(trial: optuna.Trial, score: Score) -> None:
    """Writes beside a trial's values which examples were right, or after how many it was stopped."""
    if score.stopped_after is not None:
        trial.set_user_attr(_STOPPED, score.stopped_after)
    if score.right:
        trial.set_user_attr(_RIGHT, score.right)


def rival_of(study: optuna.Study, latency_ms: float, limits: Limits) -> Rival | None:
    """The most accurate that is at least this fast, is within the limits and whose examples are known, the first of equals."""
    fast = [trial for trial in trials(study, TrialState.COMPLETE) if _RIGHT in trial.user_attrs and trial.values[1] <= latency_ms]
    known = [trial for trial in fast if limits.allows(subnet_of(trial.params, limits.space))]  # corrected prices may have ruled some out
    best = max(known, key=lambda trial: (trial.values[0], -trial.number), default=None)
    return None if best is None else Rival(best.values[0], unpack(best.user_attrs[_RIGHT]))


def is_left_to_others(study: optuna.Study, trial: optuna.Trial, subnet: Subnet, wanted: int) -> bool:
    """True if the Subnet has been evaluated, an earlier trial evaluates it now, or those and what is evaluated are all that is wanted.

    Of processes that come upon the same at once, the one with the earlier trial goes on. Its choices are waited for.
    """
    while any(other.number < trial.number and not is_whole(other) for other in trials(study, TrialState.RUNNING)):
        time.sleep(_POLL_S)
        fail_orphans(study)
    ended = trials(study, TrialState.COMPLETE)
    earlier = [other for other in trials(study, TrialState.RUNNING) if other.number < trial.number]
    choices = choices_of(subnet)
    return any(other.params == choices for other in (*ended, *earlier)) or len(ended) + len(earlier) >= wanted


def fail_orphans(study: optuna.Study, before: bool = False) -> None:
    """Gives up the trials of processes that are gone, so that their Subnets may come again.

    `before` this process has begun any, those with its number are of another that had it.
    """
    longest_s = max((trial.duration.total_seconds() for trial in trials(study, TrialState.COMPLETE) if trial.duration), default=0.0)
    for trial in trials(study, TrialState.RUNNING):
        if _is_orphan(trial, max(_STALE_SECONDS, _STALE_TIMES * longest_s), before):
            try:
                study.tell(trial.number, state=TrialState.FAIL)
            except ValueError:  # told by another worker in between
                continue


def _is_orphan(trial: FrozenTrial, stale_s: float, before: bool) -> bool:
    """True if the process that had begun the trial was one of this machine that is gone, or has not been heard of for long."""
    age_s = (datetime.datetime.now() - trial.datetime_start).total_seconds() if trial.datetime_start else 0.0
    host, process = trial.user_attrs.get(_OWNER, ("", 0))
    if host != socket.gethostname():
        return age_s > stale_s
    if process == os.getpid():
        return before
    return not _is_alive(process)


def _is_alive(process: int) -> bool:
    """True unless the process is gone, or dead and not yet buried by its parent."""
    try:
        os.kill(process, 0)  # signal 0 only asks
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = pathlib.Path(f"/proc/{process}/stat")
    # Source: proc(5): the state follows the name, which is in parentheses.
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")
