"""The PyTorch side of tools/step_cost.py: one fine-tuning step each time a line comes in, its seconds out.

Runs in a virtual environment of its own (torch 2.13.0, transformers 5.23.0), with the settings that are the
fastest of those tried: scaled dot-product attention, AdamW in one fused kernel, freed memory kept.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time

import torch
import transformers


def make_step(sizes: dict):
    """A step of AdamW with clipping on a BERT classifier of random weights and tokens."""
    config = transformers.BertConfig(
        vocab_size=sizes["vocab_size"],
        hidden_size=sizes["hidden"],
        num_hidden_layers=sizes["depth"],
        num_attention_heads=sizes["heads"],
        intermediate_size=sizes["ffn"],
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    model = transformers.BertModel._from_config(config, attn_implementation="sdpa")
    head = torch.nn.Linear(sizes["hidden"], 2)
    parameters = [*model.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=0.01, fused=True)
    shape = (sizes["rows"], sizes["seq_len"])
    ids, mask, labels = torch.randint(5, sizes["vocab_size"], shape), torch.ones(shape, dtype=torch.long), torch.randint(0, 2, shape[:1])

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask.unsqueeze(-1).float()
        loss = torch.nn.functional.cross_entropy(head((hidden * weight).sum(1) / weight.sum(1)), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return float(loss.detach())

    return step


def main() -> None:
    sizes = json.loads(sys.argv[1])
    torch.set_num_threads(sizes["threads"])
    libc = ctypes.CDLL(None)
    for parameter, value in ((-8, 1), (-4, 0), (-1, 2**31 - 1)):  # as bertnas_jax.train.freed_memory
        libc.mallopt(parameter, value)
    step = make_step(sizes)
    for _ in sys.stdin:
        start = time.perf_counter()
        step()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
