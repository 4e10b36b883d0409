"""Writes tests/goldens/hidden_states_*.json: hidden states of transformers' PyTorch BertModel.

torch is no dependency of this project: run this in a virtual environment of its own,
    python3.11 -m venv build/torch && build/torch/bin/pip install torch==2.13.0 transformers==5.23.0
    build/torch/bin/python tools/make_hidden_state_goldens.py NAME=CHECKPOINT_FOLDER [NAME=CHECKPOINT_FOLDER ...]
where the names in use are minilm_l6, bert_tiny and me5_small_12l.
"""

import datetime
import json
import pathlib
import sys

import torch
import transformers

GOLDENS = pathlib.Path(__file__).resolve().parents[1] / "tests" / "goldens"
SENTENCES = (
    "The quick brown fox jumps over the lazy dog.",
    "Yes.",
    "A longer sentence, written for this file alone, makes the other two end in padding!",
)
NUM_CHANNELS = 16  # kept per position, evenly spaced: enough to catch any wrong weight, small enough to read


def read_golden(checkpoint: pathlib.Path) -> dict:
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model = transformers.BertModel.from_pretrained(checkpoint, dtype=torch.float32, add_pooling_layer=False, attn_implementation="eager")
    model.eval()
    inputs = tokenizer(list(SENTENCES), padding=True, return_tensors="pt")
    inputs.setdefault("token_type_ids", torch.zeros_like(inputs["input_ids"]))
    with torch.no_grad():
        states = model(**inputs, output_hidden_states=True).hidden_states
    channels = list(range(0, model.config.hidden_size, model.config.hidden_size // NUM_CHANNELS))
    return {
        "inputs": {name: inputs[name].tolist() for name in ("input_ids", "attention_mask", "token_type_ids")},
        "channels": channels,
        # [layer][sentence][position][channel], unpadded positions only
        "hidden_states": [
            [
                [[round(float(value), 6) for value in position[channels]] for position in row[: int(mask.sum())]]
                for row, mask in zip(state, inputs["attention_mask"])
            ]
            for state in states
        ],
    }


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for argument in sys.argv[1:]:
        name, folder = argument.split("=", 1)
        golden = {
            "unit": "hidden state activations, float32",
            "source": f"transformers {transformers.__version__} BertModel on torch {torch.__version__}, checkpoint {name}",
            "made_by": "tools/make_hidden_state_goldens.py",
            "date": datetime.date.today().isoformat(),
            "tolerance": 1e-4,
            "why": "two float32 implementations that add in different orders differ by some 1e-6 a layer",
            **read_golden(pathlib.Path(folder)),
        }
        path = GOLDENS / f"hidden_states_{name}.json"
        path.write_text(json.dumps(golden) + "\n")
        print(path)


if __name__ == "__main__":
    main()
