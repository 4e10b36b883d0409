"""What a training step costs: Subnets of a supernet against the full one, that against a plain model, and JAX against PyTorch.

Everything is at the size of one teacher, in turns in one run: loss and gradient of the plain model and of Subnets
through the elastic step (one compilation serves all), of the same Subnets as plain models of their own sizes, each
compiled for itself (the least that an elastic step could cost), then whole fine-tuning steps (AdamW, clipping) of the plain
model here and of transformers' BertModel in PyTorch, if --torch_python names a Python that has torch and transformers.
Each turn runs twice and the second run counts, so that all find warm caches.

  python tools/step_cost.py --rounds=15 --torch_python=/path/to/venv/bin/python
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import statistics
import subprocess
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

from bertnas_jax.benchmark import write_result
from bertnas_jax.model import Bert, BertConfig, assign_parameters, get_parameters
from bertnas_jax.space import Layer, SearchSpace, Subnet, count_flops
from bertnas_jax.supernet import Supernet, share_weights
from bertnas_jax.train import SupernetTrainConfig, TrainConfig
from bertnas_jax.train.freed_memory import keep_freed_memory
from bertnas_jax.train.losses import label_loss
from bertnas_jax.train.objective import Objective
from bertnas_jax.train.optimizer import make_optimizer
from bertnas_jax.train.sandwich import stack_codes
from bertnas_jax.train.step import TrainState, make_step, single_gradient
from bertnas_jax.train.supernet import step_gradient

VOCABULARY = 28_850  # that of the 12-block checkpoint
TEACHER = Subnet.uniform(12, 384, 12, 1536)
SPACE = SearchSpace(TEACHER, (3, 6, 9, 12), (192, 256, 384), (6, 9, 12), (768, 1152, 1536), "even")
SUBNETS = {
    "full": TEACHER,
    "half_shallow": Subnet.uniform(6, 384, 12, 1536),
    "half_narrow": Subnet(256, 32, (Layer(9, 1152),) * 12),
    "quarter_shallow": Subnet.uniform(3, 384, 12, 1536),
    "quarter_narrow": Subnet(192, 32, (Layer(6, 768),) * 12),
    "smallest": Subnet(192, 32, (Layer(6, 768),) * 3),
}


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of a batch of full rows."""

    rows: int
    seq_len: int
    threads: int = 2


def make_batch(sizes: Sizes) -> dict[str, np.ndarray]:
    """Random tokens and labels; no padding."""
    random, shape = np.random.default_rng(0), (sizes.rows, sizes.seq_len)
    ids, labels = random.integers(5, VOCABULARY, shape, dtype=np.int32), random.integers(0, 2, sizes.rows, dtype=np.int32)
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


def elastic_turns(config: BertConfig, model: Bert, batch: dict) -> tuple[dict[str, Callable[[], object]], float]:
    """Loss and gradient of each of `SUBNETS` by one compiled function, and the seconds its compilation took."""
    objective = Objective(Supernet(SPACE, config), SupernetTrainConfig(label_weight=1.0), False)
    trained = objective.trained(share_weights(model))
    codes = {name: stack_codes(SPACE, (subnet,)) for name, subnet in SUBNETS.items()}
    start = time.perf_counter()
    gradient = jax.jit(step_gradient(objective)).lower(trained, codes["full"], batch, None, None).compile()
    seconds = time.perf_counter() - start
    return {name: lambda code=code: gradient(trained, code, batch, None, None) for name, code in codes.items()}, seconds


def plain_turn(subnet: Subnet, batch: dict) -> Callable[[], object]:
    """Loss and gradient of a plain model of the Subnet's sizes."""
    config = BertConfig(subnet, VOCABULARY)
    gradient, parameters = jax.jit(jax.value_and_grad(plain_loss(config))), get_parameters(Bert(config, nnx.Rngs(0)))
    return lambda: gradient(parameters, batch)


def fine_tuning_turn(config: BertConfig, model: Bert, batch: dict) -> Callable[[], object]:
    """A whole step of the plain model: gradient, clipping, AdamW."""
    optimizer = make_optimizer(TrainConfig(), 1000)
    step = make_step(single_gradient(plain_loss(config)), optimizer)
    parameters = jax.tree.map(jnp.copy, get_parameters(model))
    state = TrainState(parameters, jax.jit(optimizer.init)(parameters))

    def turn() -> object:
        nonlocal state
        state, report = step(state, batch)
        return report

    return turn


def timed(turn: Callable[[], object]) -> Callable[[], float]:
    """Seconds of the second of two runs."""

    def seconds() -> float:
        jax.block_until_ready(turn())
        start = time.perf_counter()
        jax.block_until_ready(turn())
        return time.perf_counter() - start

    return seconds


def torch_turn(python: str, sizes: Sizes) -> tuple[Callable[[], float], subprocess.Popen]:
    """Seconds of a step in PyTorch, from a process that sleeps in between."""
    layer = TEACHER.layers[0]
    fields = {"vocab_size": VOCABULARY, "hidden": TEACHER.hidden, "depth": TEACHER.depth, "heads": layer.heads, "ffn": layer.ffn}
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


def run(sizes: Sizes, rounds: int, torch_python: str | None) -> pathlib.Path:
    """The path of the dated JSON."""
    keep_freed_memory()
    config = BertConfig(TEACHER, VOCABULARY)
    model, batch = Bert(config, nnx.Rngs(0)), make_batch(sizes)
    turns, compile_s = elastic_turns(config, model, batch)
    plain = {f"plain_{name}": plain_turn(subnet, batch) for name, subnet in SUBNETS.items()}
    turns = {name: timed(turn) for name, turn in (plain | turns).items()}
    turns["jax_step"] = timed(fine_tuning_turn(config, model, batch))
    process = None
    if torch_python:
        turns["torch_step"], process = torch_turn(torch_python, sizes)
    try:
        found = measure(turns, rounds)
    finally:
        if process:
            process.kill()
    flops = {name: count_flops(subnet, config.vocabulary, sizes.seq_len) for name, subnet in SUBNETS.items()}
    shares = {
        name: {
            "of_full": ratio(found, name, "full"),
            "plain_of_plain_full": ratio(found, f"plain_{name}", "plain_full"),
            "flops_of_full": flops[name] / flops["full"],
        }
        for name in SUBNETS
    }
    fields = {"dtype": "float32", "sizes": dataclasses.asdict(sizes), "teacher": TEACHER.describe(), "rounds": rounds}
    fields |= {"elastic_compile_s": compile_s, "median_s": {name: statistics.median(values) for name, values in found.items()}}
    fields |= {"full_of_plain": ratio(found, "full", "plain_full"), "subnets": shares}
    if torch_python:
        fields["throughput_of_torch"] = ratio(found, "torch_step", "jax_step")
    print(json.dumps(fields, indent=1))
    return write_result("step_cost", fields)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=32, help="sentences of a batch")
    parser.add_argument("--seq_len", type=int, default=32, help="tokens of a sentence")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each")
    parser.add_argument("--torch_python", help="a Python with torch 2.13.0 and transformers, to compare with")
    given = parser.parse_args()
    print(f"written to {run(Sizes(given.rows, given.seq_len), given.rounds, given.torch_python)}")


if __name__ == "__main__":
    main()
