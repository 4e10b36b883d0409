"""The model card of a bundle: what the model is, what it scores, what it costs, how to run it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from bertnas_jax.compiler.precision import Precision
from bertnas_jax.export.tflite import TFLITE_NUMBERS, tflite_file
from bertnas_jax.space import Subnet, Vocabulary, count_flops, count_parameters


@runtime_checkable
class Latency(Protocol):
    """What a card says of one latency (a `bertnas_jax.latency.LatencyRecord` has it all)."""

    model: str
    runtime: str
    device: str
    dtype: str
    threads: int
    seq_len: int
    source: str
    median_ms: float
    p90_ms: float | None
    cores: str
    low_ms: float | None
    high_ms: float | None


@dataclasses.dataclass(frozen=True)
class CardFacts:
    """What a bundle cannot read off the model: the task, the score on it, the teacher's blocks it is made of, the latencies.

    `precision` is that of the compiled library, `tflite_dtypes` are those of the .tflite files, and `narrow_values` scores by
    (runtime, dtype) of what is not of float32, where they were taken.
    """

    name: str
    task: str
    metric: str
    value: float
    latencies: Sequence[Latency] = ()
    kept_layers: tuple[int, ...] = ()  # counted from 0; empty if not known
    precision: Precision = "float32"
    tflite_dtypes: tuple[str, ...] = ("float32",)
    narrow_values: Mapping[tuple[str, str], float] = dataclasses.field(default_factory=dict)
    running_bytes: int | None = None  # of the compiled model: weights, and the arena of its intermediates


def model_card(facts: CardFacts, subnet: Subnet, vocabulary: Vocabulary, seq_len: int, library: str) -> str:
    """The text of README.md; `library` is the file name of the compiled model."""
    sections = (
        _header(facts, subnet, vocabulary, seq_len),
        _latency_table(facts.latencies),
        _RUN_TFLITE.format(seq_len=seq_len),
        _RUN_ANDROID.format(seq_len=seq_len, num_outputs=vocabulary.num_outputs) + _narrow_tflite(facts),
        _RUN_LIBRARY.format(seq_len=seq_len, library=library) + _narrow(facts),
    )
    return "\n".join(section for section in sections if section)


def _header(facts: CardFacts, subnet: Subnet, vocabulary: Vocabulary, seq_len: int) -> str:
    heads = ", ".join(str(layer.heads) for layer in subnet.layers)
    ffns = ", ".join(str(layer.ffn) for layer in subnet.layers)
    rows = {
        "task": facts.task,
        facts.metric: f"{facts.value:.4f}",
        "blocks": subnet.depth,
        **({"of the teacher's blocks, counted from 0": ", ".join(map(str, facts.kept_layers))} if facts.kept_layers else {}),
        "hidden width": subnet.hidden,
        "attention heads of each block": f"{heads} (each {subnet.head_dim} wide)",
        "feed-forward neurons of each block": ffns,
        "parameters": f"{count_parameters(subnet, vocabulary):,}",
        "FLOPs of one sequence (2 x MACs)": f"{count_flops(subnet, vocabulary, seq_len):,}",
        **({"bytes of the compiled model while it runs, weights and intermediate results": f"{facts.running_bytes:,}"} if facts.running_bytes else {}),
        "sequence length of the exported files": seq_len,
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    return f"# {facts.name}\n\nA BERT encoder found by compiler-aware architecture search.\n\n| | |\n|---|---|\n{table}\n"


def _narrow(facts: CardFacts) -> str:
    """What the numbers of the library are, where they are not the checkpoint's."""
    if facts.precision == "float32":
        return ""
    value = _value(facts, "tvm", facts.precision)
    return f"\nIts products with weights are made of whole numbers ({facts.precision}), the checkpoint and model.tflite are float32{value}.\n"


def _narrow_tflite(facts: CardFacts) -> str:
    """The .tflite files of other numbers than float32, which run in the same way."""
    files = [f"\n`{tflite_file(dtype)}`: {TFLITE_NUMBERS[dtype]}{_value(facts, 'tflite', dtype)}.\n" for dtype in facts.tflite_dtypes if dtype != "float32"]
    return "".join(files)


def _value(facts: CardFacts, runtime: str, dtype: str) -> str:
    """The score in other numbers, if it was taken."""
    value = facts.narrow_values.get((runtime, dtype))
    return "" if value is None else f"; {facts.metric} on the dev split, run so: {value:.4f}"


def _latency_table(latencies: Sequence[Latency]) -> str:
    if not latencies:
        return ""
    columns = ("model", "runtime", "dtype", "device", "threads", "length", "median ms", "p90 ms", "90 % between", "source")
    head = f"## Latency\n\nBatch 1.\n\n| {' | '.join(columns)} |\n{'|---' * len(columns)}|\n"
    rows = (
        f"| {latency.model} | {latency.runtime} | {latency.dtype} | {_where(latency)} | {latency.threads} | {latency.seq_len} "
        f"| {latency.median_ms:.2f} | {_p90(latency)} | {_between(latency)} | {latency.source} |\n"
        for latency in latencies
    )
    return head + "".join(rows)


def _where(latency: Latency) -> str:
    return f"{latency.device}, {latency.cores}" if latency.cores else latency.device


def _between(latency: Latency) -> str:
    """The interval of a simulated latency."""
    return "" if latency.low_ms is None else f"{latency.low_ms:.2f} to {latency.high_ms:.2f}"


def _p90(latency: Latency) -> str:
    """Nothing was run where a latency is simulated."""
    return "n/a" if latency.p90_ms is None else f"{latency.p90_ms:.2f}"


_RUN_TFLITE = """\
## Run the .tflite with LiteRT in Python

`pip install ai-edge-litert transformers`, then in this folder:

```python
from ai_edge_litert.interpreter import Interpreter
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
encoded = tokenizer("a sentence", padding="max_length", truncation=True, max_length={seq_len}, return_token_type_ids=True, return_tensors="np")
classify = Interpreter("model.tflite", num_threads=2).get_signature_runner()
names = ("input_ids", "attention_mask", "token_type_ids")
print(classify(**{{name: encoded[name].astype("int32") for name in names}})["logits"])
```
"""

_RUN_ANDROID = """\
## Run the .tflite on Android

Add `com.google.ai.edge.litert:litert` to the dependencies and `model.tflite` to the assets, and tokenise with the
vocabulary of this folder (WordPiece). Kotlin, each input `Array(1) {{ IntArray({seq_len}) }}` padded with zeros:

```kotlin
val interpreter = Interpreter(modelBuffer, Interpreter.Options().setNumThreads(4))
val logits = Array(1) {{ FloatArray({num_outputs}) }}
val inputs = mapOf("input_ids" to inputIds, "attention_mask" to attentionMask, "token_type_ids" to tokenTypeIds)
interpreter.runSignature(inputs, mapOf("logits" to logits), "serving_default")
```

The CPU path is XNNPACK, in float32.
"""

_RUN_LIBRARY = """\
## Run the compiled library

`{library}` needs only the runtime of `apache-tvm` and a CPU of the kind it was compiled for; its function `main` takes
input_ids, attention_mask and token_type_ids, int32 [1, {seq_len}], and returns the logits.

```python
import numpy as np
import tvm
from tvm import relax

machine = relax.VirtualMachine(tvm.runtime.load_module("{library}"), tvm.cpu())
inputs = [tvm.runtime.tensor(np.zeros((1, {seq_len}), "int32")) for _ in range(3)]
print(machine["main"](*inputs).numpy())
```

Or, with this package: `bertnas_jax.compiler.load_compiled("{library}").run(input_ids, attention_mask, token_type_ids)`.
"""
