"""What a training step costs: Subnets of a supernet against the full one, that against a plain model, and JAX against PyTorch.

Everything is at the size of one teacher, in turns in one run: Subnets through the elastic step (one compilation serves all),
the same Subnets as plain models of their own sizes, each compiled for itself (the least that an elastic step could cost), and
the plain model's step in transformers' BertModel in PyTorch, if --torch_python names a Python that has torch and transformers.
Each turn runs twice and the second run counts, so that all find warm caches.

A step is loss, gradient, clipping and AdamW's update, on both sides. The elastic step updates all shared weights, whichever
Subnet it trains, the plain one its own alone: what a small Subnet's step costs is therefore told with the update (`step`) and
without it (`gradient`, loss and gradient alone, of which a sandwich step makes several before it updates once).

  python tools/step_cost.py --rounds=15 --torch_python=/path/to/venv/bin/python
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import json
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

from bertnas_jax.benchmark import write_result
from bertnas_jax.benchmark.result import RESULTS
from bertnas_jax.model import Bert, BertConfig, assign_parameters, get_parameters
from bertnas_jax.space import Layer, SearchSpace, Subnet, count_flops
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train import SupernetTrainConfig, TrainConfig
from bertnas_jax.train.freed_memory import keep_freed_memory
from bertnas_jax.train.losses import label_loss
from bertnas_jax.train.objective import Objective
from bertnas_jax.train.optimizer import make_optimizer
from bertnas_jax.train.sandwich import stack_codes
from bertnas_jax.train.step import LossAndGradient, StepReport, TrainState, make_step, single_gradient
from bertnas_jax.train.supernet import step_gradient

TEACHER = Subnet.uniform(12, 384, 12, 1536)
KINDS = ("step", "gradient")


@dataclasses.dataclass(frozen=True)
class Compared:
    """A space and some of its Subnets by name, of which `full` is the largest."""

    vocabulary: int
    space: SearchSpace
    subnets: dict[str, Subnet]


COMPARED = Compared(
    28_850,  # that of the 12-block checkpoint
    SearchSpace(TEACHER, (3, 6, 9, 12), (192, 256, 384), (6, 9, 12), (768, 1152, 1536), "even"),
    {
        "full": TEACHER,
        "half_shallow": Subnet.uniform(6, 384, 12, 1536),
        "half_narrow": Subnet(256, 32, (Layer(9, 1152),) * 12),
        "quarter_shallow": Subnet.uniform(3, 384, 12, 1536),
        "quarter_narrow": Subnet(192, 32, (Layer(6, 768),) * 12),
        "smallest": Subnet(192, 32, (Layer(6, 768),) * 3),
    },
)

@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of a batch of full rows."""

    rows: int
    seq_len: int
    threads: int = 2


def make_batch(sizes: Sizes, vocabulary: int) -> dict[str, np.ndarray]:
    """Random tokens and labels; no padding."""
    random, shape = np.random.default_rng(0), (sizes.rows, sizes.seq_len)
    ids, labels = random.integers(5, vocabulary, shape, dtype=np.int32), random.integers(0, 2, sizes.rows, dtype=np.int32)
    weight = np.ones(sizes.rows, np.float32)
    return {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids), "labels": labels, "weight": weight}


def plain_loss(config: BertConfig) -> Callable[..., jax.Array]:
    """The labels' loss of the plain model, from its parameters and a batch."""
    abstract = nnx.eval_shape(lambda: Bert(config, nnx.Rngs(0)))

    def loss(parameters, batch):
        model = nnx.clone(abstract)
        assign_parameters(model, parameters)
        logits = model(batch["input_ids"], batch["attention_mask"], batch["token_type_ids"])
        return label_loss(logits, batch["labels"], batch["weight"], False)

    return loss


class Stepping:
    """A step whose state goes on from one turn to the next; the arguments change nothing of what it compiles to."""

    def __init__(self, gradient: LossAndGradient, parameters: Any, args: tuple):
        optimizer = make_optimizer(TrainConfig(), 1000)
        parameters = jax.tree.map(jnp.copy, parameters)  # the step reuses its state's memory
        self._state = TrainState(parameters, jax.jit(optimizer.init)(parameters))
        start = time.perf_counter()
        self._step = make_step(gradient, optimizer).lower(self._state, *args).compile()
        self.compile_s = time.perf_counter() - start

    def __call__(self, *args: Any) -> StepReport:
        self._state, report = self._step(self._state, *args)
        return report


def elastic_turns(compared: Compared, model: Bert, batch: dict) -> tuple[dict[str, Callable[[], object]], float]:
    """A step and loss and gradient of each Subnet by one compiled function each, and the seconds the step's compilation took."""
    training = SupernetTrainConfig(label_weight=1.0)
    objective = Objective(Supernet(compared.space, model.config), training, False)
    trained, gradient = objective.trained(share_weights(model)), step_gradient(objective)
    codes = {name: stack_codes(compared.space, (subnet,)) for name, subnet in compared.subnets.items()}
    step = Stepping(gradient, trained, (codes["full"], batch, None, None))
    alone = jax.jit(gradient)
    turns = {f"elastic_step_{name}": functools.partial(step, code, batch, None, None) for name, code in codes.items()}
    turns |= {f"elastic_gradient_{name}": functools.partial(alone, trained, code, batch, None, None) for name, code in codes.items()}
    return turns, step.compile_s


def plain_turns(compared: Compared, batch: dict) -> dict[str, Callable[[], object]]:
    """A step and loss and gradient of a plain model of each Subnet's sizes."""
    turns = {}
    for name, subnet in compared.subnets.items():
        config = BertConfig(subnet, compared.vocabulary)
        parameters, loss = get_parameters(Bert(config, nnx.Rngs(0))), plain_loss(config)
        turns[f"plain_step_{name}"] = functools.partial(Stepping(single_gradient(loss), parameters, (batch,)), batch)
        turns[f"plain_gradient_{name}"] = functools.partial(jax.jit(jax.value_and_grad(loss)), parameters, batch)
    return turns


def timed(turn: Callable[[], object]) -> Callable[[], float]:
    """Seconds of the second of two runs."""

    def seconds() -> float:
        jax.block_until_ready(turn())
        start = time.perf_counter()
        jax.block_until_ready(turn())
        return time.perf_counter() - start

    return seconds


def torch_turn(python: str, compared: Compared, sizes: Sizes) -> tuple[Callable[[], float], subprocess.Popen]:
    """Seconds of a step in PyTorch, from a process that sleeps in between."""
    teacher = compared.space.teacher
    layer = teacher.layers[0]
    fields = {"vocab_size": compared.vocabulary, "hidden": teacher.hidden, "depth": teacher.depth, "heads": layer.heads, "ffn": layer.ffn}
    command = [python, str(pathlib.Path(__file__).with_name("step_cost_torch.py")), json.dumps(fields | dataclasses.asdict(sizes))]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def once() -> float:
        process.stdin.write("\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError(f"torch_python must have torch and transformers, got {python} which stopped; run {' '.join(command[:2])}")
        return float(answer)

    return lambda: (once(), once())[1], process


def measure(turns: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every turn, in turns."""
    for turn in turns.values():
        turn()
    found = {name: [] for name in turns}
    for _ in tqdm(range(rounds), desc="step cost", unit="round"):
        for name, turn in turns.items():
            found[name].append(turn())
    return found


def ratio(found: dict[str, list[float]], name: str, to: str) -> dict[str, float]:
    """Median and quartiles over rounds of one turn's seconds by another's."""
    ratios = [one / other for one, other in zip(found[name], found[to], strict=True)]
    low, median, high = statistics.quantiles(ratios, n=4)
    return {"median": median, "quartiles": [low, high]}


def shares(found: dict[str, list[float]], name: str, flops: dict[str, int]) -> dict[str, Any]:
    """What a Subnet costs of the full one and of a plain model of its sizes, with and without the update."""
    fields: dict[str, Any] = {"flops_of_full": flops[name] / flops["full"]}
    for kind in KINDS:
        elastic, plain = f"elastic_{kind}_{name}", f"plain_{kind}_{name}"
        fields[f"{kind}_of_full"] = ratio(found, elastic, f"elastic_{kind}_full")
        fields[f"{kind}_of_plain"] = ratio(found, elastic, plain)
        fields[f"plain_{kind}_of_plain_full"] = ratio(found, plain, f"plain_{kind}_full")
    return fields


def run(compared: Compared, sizes: Sizes, rounds: int, torch_python: str | None, results: pathlib.Path = RESULTS) -> pathlib.Path:
    """The path of the dated JSON."""
    keep_freed_memory()
    config = BertConfig(compared.space.teacher, compared.vocabulary)
    model, batch = Bert(config, nnx.Rngs(0)), make_batch(sizes, compared.vocabulary)
    elastic, compile_s = elastic_turns(compared, model, batch)
    turns = {name: timed(turn) for name, turn in (plain_turns(compared, batch) | elastic).items()}
    process = None
    if torch_python:
        turns["torch_step"], process = torch_turn(torch_python, compared, sizes)
    try:
        found = measure(turns, rounds)
    finally:
        if process:
            process.kill()
    flops = {name: count_flops(subnet, config.vocabulary, sizes.seq_len) for name, subnet in compared.subnets.items()}
    fields = {"dtype": "float32", "sizes": dataclasses.asdict(sizes), "teacher": config.subnet.describe(), "rounds": rounds}
    fields |= {"elastic_step_compile_s": compile_s, "median_s": {name: statistics.median(values) for name, values in found.items()}}
    fields |= {"subnets": {name: shares(found, name, flops) for name in compared.subnets}}
    if torch_python:
        fields["throughput_of_torch"] = ratio(found, "torch_step", "plain_step_full")
    print(json.dumps(fields, indent=1))
    return write_result("step_cost", fields, results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32, help="sentences of a batch")
    parser.add_argument("--seq_len", type=int, default=32, help="tokens of a sentence")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each")
    parser.add_argument("--torch_python", help="a Python with torch 2.13.0 and transformers, to compare with")
    given = parser.parse_args()
    print(f"written to {run(COMPARED, Sizes(given.rows, given.seq_len), given.rounds, given.torch_python)}")


if __name__ == "__main__":
    main()
