"""Shared weights, a Subnet and a batch in, that Subnet's logits out; and the Subnet as a stand-alone `Bert`.

One compilation runs every Subnet of the space: the Subnet is an argument of the compiled function.
"""

from bertnas_jax.supernet.elastic import Supernet
from bertnas_jax.supernet.encode import SubnetCode, encode_subnet
from bertnas_jax.supernet.extract import extract
from bertnas_jax.supernet.features import Features, Projections, Wanted
from bertnas_jax.supernet.importance import Importance, measure_importance
from bertnas_jax.supernet.rewire import Order, rewire
from bertnas_jax.supernet.weights import SharedWeights, share_weights

__all__ = [
    "Features",
    "Importance",
    "Order",
    "Projections",
    "SharedWeights",
    "SubnetCode",
    "Supernet",
    "Wanted",
    "encode_subnet",
    "extract",
    "measure_importance",
    "rewire",
    "share_weights",
]
