"""One more process for the search of a run, on this machine or on any other that reaches its folder and its --storage.

  python -m bertnas_jax.search.worker --workdir=runs/mine

Start any number of them once the supernet of `python -m bertnas_jax.search --workdir=runs/mine` is trained, while it searches
or before it goes on. Each evaluates Subnets for the same study until it has all its evaluations; then it ends.
"""

from __future__ import annotations

import dataclasses
import pathlib

from absl import app, flags

import bertnas_jax.flags
from bertnas_jax.flags import config_from_json, define_flags, main_of
from bertnas_jax.knobs import check_knobs, knob

_NEEDED = ("config.json", "budget.json", "teacher.json", "supernet")


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    """The knobs of a worker: all others are those of the run."""

    workdir: str = knob("", "The run folder of python -m bertnas_jax.search.")

    def __post_init__(self):
        check_knobs(self)


def run(config: WorkerConfig) -> None:
    """Evaluates Subnets until the study of the run is whole.

    Raises:
      ValueError: the folder holds no run whose supernet is trained, or its storage cannot be opened.
    """
    folder = pathlib.Path(config.workdir).expanduser()
    missing = [name for name in _NEEDED if not (folder / name).exists()]
    if not config.workdir or missing:
        raise ValueError(
            f"workdir must be a run whose supernet is trained, got {config.workdir!r} without {', '.join(missing)}; "
            "start python -m bertnas_jax.search there first"
        )
    # Imported once the folder is known to be good: the runtimes take seconds to load.
    from bertnas_jax.search.config import SearchConfig
    from bertnas_jax.search.explore import explore
    from bertnas_jax.search.job import open_job
    from bertnas_jax.search.latencies import latency_stage
    from bertnas_jax.search.run import scorer_of
    from bertnas_jax.train import settle_layers, supernet_stage, teacher_stage

    searched = config_from_json(SearchConfig, (folder / "config.json").read_text(encoding="utf-8"))
    job = open_job(dataclasses.replace(searched, workdir=config.workdir))
    budget, teacher = latency_stage(job), teacher_stage(job)
    job = settle_layers(job, teacher)
    explore(job, scorer_of(job, supernet_stage(job, teacher)), budget)


if __name__ == "__main__":
    define_flags(WorkerConfig)
    flags.adopt_module_key_flags(bertnas_jax.flags)  # so that --help lists them
    app.run(main_of(WorkerConfig, run))
