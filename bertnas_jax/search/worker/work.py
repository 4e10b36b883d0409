"""What a worker does: the run folder of a search in, evaluations in its study out."""

from __future__ import annotations

import dataclasses
import pathlib

from bertnas_jax.flags import config_from_json
from bertnas_jax.knobs import check_knobs, knob

_NEEDED = ("config.json", "budget.json", "teacher.json", "supernet")


@dataclasses.dataclass(frozen=True)
class WorkerConfig:
    """The knobs of a worker: all others are those of the run."""

    workdir: str = knob("", "The run folder of python -m bertnas_jax.search.")

    def __post_init__(self):
        check_knobs(self)


def work(config: WorkerConfig) -> None:
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
    from bertnas_jax.search.rounds import round_at_work
    from bertnas_jax.search.run import scorer_of
    from bertnas_jax.train import settle_layers, supernet_stage, teacher_stage

    searched = config_from_json(SearchConfig, (folder / "config.json").read_text(encoding="utf-8"))
    job = open_job(dataclasses.replace(searched, workdir=config.workdir))
    budget, teacher = latency_stage(job), teacher_stage(job)
    job = settle_layers(job, teacher)
    explore(job, scorer_of(job, supernet_stage(job, teacher)), *round_at_work(job, budget))
