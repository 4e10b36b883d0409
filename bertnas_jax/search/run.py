"""The main job on one page: every stage that its run folder still lacks."""

from __future__ import annotations

from bertnas_jax.search.compare import compare_stage
from bertnas_jax.search.config import SearchConfig
from bertnas_jax.search.job import Job, open_job
from bertnas_jax.search.latencies import latency_stage
from bertnas_jax.search.other_samplers import samplers_stage
from bertnas_jax.search.rounds import rounds_stage
from bertnas_jax.search.summary import summarise
from bertnas_jax.search.tuned import tuning_stage
from bertnas_jax.search.winner import export_stage, winner_stage, write_card
from bertnas_jax.search.winner_kernels import write_kernel_costs
from bertnas_jax.supernet import SharedWeights, Supernet
from bertnas_jax.train import Stopwatch, SupernetScorer, settle_layers, supernet_stage, teacher_stage


def run(config: SearchConfig) -> dict:
    """The summary of the finished run, also in summary.json; its folder `config.workdir` holds everything else.

    Raises:
      ValueError: the configuration, the checkpoint, the task or the run folder is not as it must be, or no
        Subnet meets the budget.
      FileNotFoundError: a file that the configuration names is not there.
      TrainingDiverged: a loss is not finite.
    """
    job = open_job(config)
    watch = Stopwatch(job.folder)
    with watch.stage("tuning", "the fastest tiles of the products of the space"):
        tuning = tuning_stage(job)
    with tuning:
        return _run(job, watch)


def scorer_of(job: Job, weights: SharedWeights) -> SupernetScorer:
    """What scores Subnets of the run's trained supernet."""
    return SupernetScorer(Supernet(job.space, job.bert), weights, job.feed, job.config.sampler.dev_subset, job.config.seed)


def _run(job: Job, watch: Stopwatch) -> dict:
    config = job.config
    with watch.stage("latency", "BERT-base on TensorFlow Lite, and the price of every subnet of the space"):
        budget = latency_stage(job)
    with watch.stage("teacher", f"fine-tuning {config.checkpoint} on {job.feed.task.name}"):
        teacher = teacher_stage(job)
    with watch.stage("supernet", f"shared weights of {job.space.count:,} subnets"):
        job = settle_layers(job, teacher)
        weights = supernet_stage(job, teacher)
    scorer = scorer_of(job, weights)
    subnet = rounds_stage(job, weights, scorer, budget, watch)
    with watch.stage("winner", f"fine-tuning {subnet.describe()}"):
        winner = winner_stage(job, weights, scorer, teacher, subnet)
    with watch.stage("export", "TensorFlow Lite and compiled files, held against the model"):
        exported = export_stage(job, winner)
    with watch.stage("comparison", "winner, teacher and BERT-base side by side"):
        comparison = compare_stage(job, exported, winner, teacher.model, budget)
        write_card(job, winner, comparison)
    if config.sampler.compare_samplers:
        with watch.stage("samplers", f"what {', '.join(config.sampler.compare_samplers)} find in as many evaluations"):
            samplers_stage(job, scorer, budget)
    write_kernel_costs(job, subnet, budget)
    summary = summarise(job, teacher, winner, comparison, exported, watch.seconds)
    job.folder.write_json("summary.json", summary)
    return job.folder.read_json("summary.json")
