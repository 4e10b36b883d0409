"""Which of the teacher's blocks should a shallower subnet be made of?

Takes the run folder of a trained teacher and compares the rules of --keep at some depths, all widths whole: the
score on dev straight after the other blocks are taken out, and after the same short training of what is left,
by the labels and the teacher. Each choice of blocks is written down as it is done, one that two rules agree on once,
and the same command goes on where it stopped.

  python tools/compare_kept_layers.py --workdir=runs/sst2 --depths=2,3,4,6 --epochs=1
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from bertnas_jax.benchmark import RESULTS, write_result
from bertnas_jax.benchmark.records import check_settings, recorded
from bertnas_jax.benchmark.trained_run import sources
from bertnas_jax.errors import explained
from bertnas_jax.flags import config_from_json
from bertnas_jax.model import Bert
from bertnas_jax.space import SearchSpace, Subnet
from bertnas_jax.supernet import extract, share_weights
from bertnas_jax.train import SupernetConfig, Teacher, TrainConfig, TrainJob, fine_tune, open_train_job, predict_model, teacher_stage
from bertnas_jax.train.layer_order import LAYER_ORDER_FILE, find_layer_order
from bertnas_jax.whole_file import whole

RULES = ("even", "first", "importance")
FOLDER, RECORDS = "kept_layers", "records.jsonl"


def read_run(workdir: str) -> SupernetConfig:
    """The configuration of a run folder with a trained teacher, which may have been moved.

    Raises:
      FileNotFoundError: the folder holds no trained teacher.
    """
    folder = pathlib.Path(workdir)
    for name in ("config.json", "teacher.json"):
        if not (folder / name).exists():
            raise FileNotFoundError(
                f"workdir must hold a trained teacher, got {folder} without {name}; run python -m bertnas_jax.train on a labelled task"
            )
    config = config_from_json(SupernetConfig, (folder / "config.json").read_text(encoding="utf-8"))
    return dataclasses.replace(config, workdir=workdir)


def kept_by_rule(teacher: Subnet, depths: tuple[int, ...], keep_order: tuple[int, ...]) -> dict[tuple[int, str], tuple[int, ...]]:
    """The blocks that each rule keeps at each depth, by (depth, rule).

    Raises:
      ValueError: the teacher has no such depths below its own.
    """
    if not depths or depths[-1] >= teacher.depth:
        raise ValueError(f"depths must be less than the teacher's {teacher.depth} blocks, got {depths}; at its own all rules agree")
    layer = teacher.layers[0]
    spaces = {
        rule: SearchSpace(
            teacher, depths, (teacher.hidden,), (layer.heads,), (layer.ffn,), rule, keep_order if rule == "importance" else ()
        )
        for rule in RULES
    }
    return {(depth, rule): spaces[rule].kept_layers(depth) for depth in depths for rule in RULES}


def read_order(job: TrainJob, teacher: Teacher, folder: pathlib.Path) -> dict:
    """The order by importance with its evidence, from the folder or measured now."""
    path = folder / LAYER_ORDER_FILE
    if not path.exists():
        order = find_layer_order(job, teacher)
        with whole(path) as partial:
            partial.write_text(json.dumps({"keep_order": order.keep_order} | dataclasses.asdict(order)) + "\n", encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def score_kept(job: TrainJob, teacher: Teacher, budget: TrainConfig, kept: tuple[int, ...], steps: pathlib.Path) -> dict:
    """The score on dev of these blocks as they are and after training."""
    whole_subnet, rest = job.bert.subnet, sorted(set(range(job.bert.subnet.depth)) - set(kept))
    layer = whole_subnet.layers[0]
    space = SearchSpace(
        whole_subnet, (len(kept),), (whole_subnet.hidden,), (layer.heads,), (layer.ffn,), "importance", (*kept, *rest)
    )
    model = extract(share_weights(teacher.model), space, job.bert, space.largest)
    removed = _on_dev(job, model)
    fine_tune(model, job.feed, budget, steps, job.config.seed, f"blocks-{_name(kept)}", teacher.train_logits)
    scores = {"after_removal": removed, "after_training": _on_dev(job, model)}
    shutil.rmtree(steps)
    return scores


def _on_dev(job: TrainJob, model: Bert) -> float:
    return job.feed.task.score(predict_model(model, job.feed.dev_batches()), job.feed.dev.labels)


def run(workdir: str, depths: tuple[int, ...], budget: TrainConfig, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    config = read_run(workdir)
    folder = pathlib.Path(workdir) / FOLDER
    settings = {"training": dataclasses.asdict(budget), "seed": config.seed, "keep_batches": config.space.keep_batches}
    job = open_train_job(config)
    kept_by_rule(job.bert.subnet, depths, tuple(range(job.bert.subnet.depth)))  # refuses bad depths before any work
    check_settings(folder, settings)
    teacher = teacher_stage(job)
    order = read_order(job, teacher, folder)
    kept = kept_by_rule(job.bert.subnet, depths, tuple(order["keep_order"]))
    choices = {_name(blocks): blocks for blocks in kept.values()}
    records = recorded(
        folder / RECORDS, "blocks", choices, lambda name: score_kept(job, teacher, budget, choices[name], folder / "steps")
    )
    scores = {fields.pop("blocks"): fields for fields in records}
    rows = [{"depth": depth, "keep": rule, "kept_layers": blocks} | scores[_name(blocks)] for (depth, rule), blocks in kept.items()]
    fields = sources(config) | {"metric": job.feed.task.metric, "teacher": teacher.value}
    for row in rows:
        blocks = " ".join(map(str, row["kept_layers"]))
        print(f"{row['depth']:3} {row['keep']:<10} {row['after_removal']:.4f} -> {row['after_training']:.4f}  blocks {blocks}")
    return write_result("kept_layers", fields | settings | {"importance": order, "kept": rows}, results)


def _name(blocks: tuple[int, ...]) -> str:
    return ".".join(map(str, blocks))


def _depths(text: str) -> tuple[int, ...]:
    return tuple(sorted({int(depth) for depth in text.split(",")}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", required=True, help="the run folder of a trained teacher")
    parser.add_argument("--depths", required=True, type=_depths, help="numbers of blocks to keep, e.g. 2,3,4")
    parser.add_argument("--epochs", type=float, default=1.0, help="passes over the training split for each choice of blocks")
    parser.add_argument("--learning_rate", type=float, default=5e-5, help="peak learning rate")
    given = parser.parse_args()
    with explained():
        budget = TrainConfig(epochs=given.epochs, learning_rate=given.learning_rate)
        print(f"written to {run(given.workdir, given.depths, budget)}")


if __name__ == "__main__":
    main()
