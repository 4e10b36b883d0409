"""Several processes on one study: nothing is lost with one that is killed, and nothing done twice."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

import optuna
import pytest
from optuna.trial import TrialState

from bertnas_jax.search.config import SamplerConfig
from bertnas_jax.search.patient_storage import LostDatabaseError
from bertnas_jax.search.samplers import subnet_of, suggest
from bertnas_jax.search.shared_study import begin, evaluated, is_left_to_others, open_study
from tests.conftest import REPOSITORY
from tests.search import test_study as made_up

EVALUATIONS = 40
# A worker on the made-up accuracy, which writes down what it evaluates and takes its time over it.
SCRIPT = """
import os, pathlib, sys, time
from bertnas_jax.search.config import SamplerConfig
from tests.search import test_study as made_up
folder, storage, sampler = sys.argv[1:]
def accuracy(subnet):
    with open(f"{folder}/{os.getpid()}.txt", "a") as file:
        file.write(subnet.describe() + "\\n")
    time.sleep(0.1)
    return made_up.accuracy_of(subnet)
config = SamplerConfig(sampler=sampler, evaluations=40, population=8, storage=storage)
made_up.search(pathlib.Path(folder), accuracy=accuracy, config=config)
"""


def start(folder, storage="", sampler="nsga2"):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(folder), storage, sampler], cwd=REPOSITORY, stderr=subprocess.PIPE)


def begun(folder):
    """By process, the Subnets it evaluated or began to."""
    return {int(path.stem): path.read_text().split() for path in folder.glob("*.txt")}


def kill_at_work(worker, folder, at_least=3):
    """Kills a worker while it evaluates its third Subnet or a later one."""
    path = folder / f"{worker.pid}.txt"
    while not (path.exists() and len(path.read_text().split()) >= at_least):
        assert worker.poll() is None, worker.stderr.read()
        time.sleep(0.005)
    worker.send_signal(signal.SIGKILL)


SERVER = """
import sys
import optuna
journal = optuna.storages.journal.JournalFileBackend(sys.argv[2])
optuna.storages.run_grpc_proxy_server(optuna.storages.JournalStorage(journal), host="localhost", port=int(sys.argv[1]))
"""


class Server:
    """Optuna's proxy, in a process of its own that may be killed and begun again."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            self._port = free.getsockname()[1]
        self._journal, self.url = folder / "server.journal", f"grpc://localhost:{self._port}"
        self.start()

    def start(self):
        command = [sys.executable, "-c", SERVER, str(self._port), str(self._journal)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def kill(self):
        self._process.kill()
        self._process.wait()


@pytest.fixture
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.kill()


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "grpc"])
def test_of_three_workers_one_is_killed_and_no_trial_is_lost_or_done_twice(tmp_path, storage, request):
    url = request.getfixturevalue("server").url if storage == "grpc" else ""
    open_study(tmp_path, url)  # as the search does, before any worker comes
    workers = [start(tmp_path, url) for _ in range(3)]
    try:
        kill_at_work(workers[0], tmp_path)
        said = [worker.communicate(timeout=300)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [-signal.SIGKILL, 0, 0], said
    study = open_study(tmp_path, url)
    states = [trial.state for trial in study.get_trials(deepcopy=False)]
    assert states.count(TrialState.COMPLETE) == EVALUATIONS == len(evaluated(study, made_up.SPACE)) and TrialState.RUNNING not in states
    by_process = begun(tmp_path)
    lost = by_process[workers[0].pid].pop()
    done = [name for names in by_process.values() for name in names]
    assert sorted(done) == sorted(subnet.describe() for subnet in evaluated(study, made_up.SPACE)), "each once, by one process"
    assert states.count(TrialState.FAIL) == 1 and all(by_process.values()), "all three took part"
    failed = next(trial for trial in study.get_trials(deepcopy=False) if trial.state == TrialState.FAIL)
    assert subnet_of(failed.params, made_up.SPACE).describe() == lost


def test_of_two_at_once_the_earlier_one_goes_on(tmp_path):
    study = open_study(tmp_path)
    study.sampler = optuna.samplers.RandomSampler(seed=0)
    first, second = made_up.FIRST[:2]
    earlier, later = begin(study, first), begin(study, first)
    assert suggest(earlier, made_up.SPACE) == suggest(later, made_up.SPACE) == first
    assert not is_left_to_others(study, earlier, first, wanted=9) and is_left_to_others(study, later, first, wanted=9)
    assert not is_left_to_others(study, later, second, wanted=2) and is_left_to_others(study, later, second, wanted=1), "one is enough"


def test_a_trial_of_a_live_process_is_left_alone_and_one_of_a_dead_one_given_up(tmp_path):
    study = open_study(tmp_path)
    alive, dead = study.ask(), study.ask()
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    alive.set_user_attr("owner", [os.uname().nodename, os.getppid()])
    dead.set_user_attr("owner", [os.uname().nodename, gone.pid])
    states = {trial.number: trial.state for trial in open_study(tmp_path).get_trials(deepcopy=False)}
    assert states == {alive.number: TrialState.RUNNING, dead.number: TrialState.FAIL}


def search_that_loses_its_server(folder, server, at, then, patience_s):
    """The Subnets found by a search during whose evaluation of this number the server is killed, and what `then` does done."""
    scored = []

    def accuracy(subnet):
        scored.append(subnet)
        if len(scored) == at:
            server.kill()
            then()
        return made_up.accuracy_of(subnet)

    config = SamplerConfig(sampler="random", evaluations=12, storage=server.url, storage_patience_s=patience_s)
    return made_up.search(folder, accuracy=accuracy, config=config), scored


@pytest.mark.slow
def test_a_database_that_comes_back_is_waited_for_and_nothing_is_done_twice(tmp_path, server, capsys):
    undisturbed, _ = search_that_loses_its_server(tmp_path / "one", server, at=0, then=None, patience_s=60)
    later = threading.Timer(2.0, server.start)
    found, scored = search_that_loses_its_server(tmp_path / "other", server, at=5, then=later.start, patience_s=60)
    assert found == undisturbed and len(scored) == len(set(scored)) == 12
    assert f"the database {server.url} does not answer" in capsys.readouterr().err


@pytest.mark.slow
def test_a_database_that_stays_away_ends_the_search_and_what_was_evaluated_is_kept(tmp_path, server):
    with pytest.raises(LostDatabaseError, match=r"the database grpc://localhost:\d+ must answer, got nothing for 1 s .* give the same command again"):
        search_that_loses_its_server(tmp_path / "run", server, at=5, then=lambda: None, patience_s=1)
    server.start()
    found, scored = search_that_loses_its_server(tmp_path / "run", server, at=0, then=None, patience_s=60)
    assert len(found) == 12 and len(scored) == 8, "four were kept"


@pytest.mark.parametrize("url", ["sqlite:///study.db", "nonsense", "grpc://localhost:notaport", "postgresql://nobody@localhost:1/none"])
def test_a_storage_that_is_not_there_is_named(tmp_path, url):
    with pytest.raises(ValueError, match="storage must name a database that is there"):
        open_study(tmp_path, url)


@pytest.mark.slow
def test_a_worker_without_a_run_says_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "bertnas_jax.search.worker", f"--workdir={tmp_path}"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode != 0 and "whose supernet is trained" in ended.stderr and "Traceback" not in ended.stderr
    assert not list(pathlib.Path(tmp_path).iterdir())
