"""What models, runtimes and sizes are called wherever they are shown."""

from __future__ import annotations

from types import MappingProxyType

from bertnas_jax.report.budget import Limit, Place
from bertnas_jax.report.summary import Latency
from bertnas_jax.space import Subnet

_MODELS = MappingProxyType({"bert_base": "BERT-base"})
_RUNTIMES = MappingProxyType({"tvm": "TVM", "tflite": "TFLite"})


def model_label(model: str) -> str:
    return _MODELS.get(model, model)


def runtime_label(runtime: str) -> str:
    return _RUNTIMES.get(runtime, runtime)


def backend_label(latency: Latency | Place) -> str:
    """`TVM`, or `TFLite int8` where the numbers are not the usual float32."""
    name = runtime_label(latency.runtime)
    return name if latency.dtype == "float32" else f"{name} {latency.dtype}"


def limit_label(limit: Limit) -> str:
    """`pixel_4, 1 large, TFLite float32, 64 tokens`."""
    return f"{limit.device}, {limit.cores}, {runtime_label(limit.runtime)} {limit.dtype}, {limit.seq_len} tokens"


def price_label(limit: Limit) -> str:
    """What prices sub-networks by the limit."""
    return "kernel table" if limit.evidence == "measured" else "simulator"


def sizes_label(subnet: Subnet) -> str:
    """`3 blocks, hidden 384, heads 12 10 8, ffn 1536 1024 768`; a size that all blocks share is said once."""
    heads = _shared([layer.heads for layer in subnet.layers])
    ffn = _shared([layer.ffn for layer in subnet.layers])
    blocks = "1 block" if subnet.depth == 1 else f"{subnet.depth} blocks"
    return f"{blocks}, hidden {subnet.hidden}, heads {heads}, ffn {ffn}"


def _shared(sizes: list[int]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else " ".join(map(str, sizes))
