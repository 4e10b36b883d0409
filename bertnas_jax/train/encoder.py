"""A Subnet of a supernet as a checkpoint without a head, for other runs to start from."""

from __future__ import annotations

import json
import pathlib

from bertnas_jax.model import save_checkpoint
from bertnas_jax.space import Subnet
from bertnas_jax.space.subnet import SUBNET_FILE
from bertnas_jax.supernet import SharedWeights, extract
from bertnas_jax.train.job import TrainJob
from bertnas_jax.whole_file import whole

ENCODER_FOLDER = "encoder"


def write_encoder(job: TrainJob, weights: SharedWeights, subnet: Subnet, folder: pathlib.Path) -> None:
    """Writes the folder in Hugging Face layout with the tokenizer, whole or not at all; `--checkpoint` takes it.

    Raises:
      ValueError: the Subnet is not of the job's space.
    """
    model = extract(weights, job.space, job.bert, subnet)
    with whole(folder) as partial:
        save_checkpoint(model, partial, job.checkpoint, with_head=False)
        (partial / SUBNET_FILE).write_text(json.dumps(job.space.subnet_fields(subnet)) + "\n", encoding="utf-8")
