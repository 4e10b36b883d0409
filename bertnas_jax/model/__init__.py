"""A Hugging Face BERT checkpoint in, a Flax NNX model out that maps token ids to logits `[B, C]`.

The same model is written back in Hugging Face layout by `save_checkpoint`.
"""

from bertnas_jax.model.bert import Bert, BertConfig
from bertnas_jax.model.checkpoint import CheckpointError, check_weights, load_checkpoint, read_config, resolve_checkpoint, save_checkpoint
from bertnas_jax.model.parameters import Parameters, assign_parameters, get_parameters

__all__ = ["Bert", "BertConfig", "CheckpointError", "Parameters", "assign_parameters", "check_weights", "get_parameters", "load_checkpoint", "read_config", "resolve_checkpoint", "save_checkpoint"]
