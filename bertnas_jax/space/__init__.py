"""Ranges of encoder sizes in, `Subnet`s out, with their parameter and FLOP counts."""

from bertnas_jax.space.count import Vocabulary, count_flops, count_parameters, encoder_flops, product_flops, tflite_bytes
from bertnas_jax.space.latin_hypercube import latin_hypercube
from bertnas_jax.space.search_space import SearchSpace
from bertnas_jax.space.subnet import Layer, Subnet

__all__ = [
    "Layer",
    "SearchSpace",
    "Subnet",
    "Vocabulary",
    "count_flops",
    "count_parameters",
    "encoder_flops",
    "latin_hypercube",
    "product_flops",
    "tflite_bytes",
]
