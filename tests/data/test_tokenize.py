import pathlib

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from bertnas_jax.data import Examples, check_vocabulary, encode, load_tokenizer

WORDS = ("<s>", "<pad>", "</s>", "<unk>", "a", "cat", "sat", "on", "the", "mat")


def save_tokenizer(folder: pathlib.Path, pair_type: int, inputs: list[str], pad: str | None = "<pad>") -> str:
    """A word-level tokenizer with `<s>`, `</s>` and pad id 1; BERT-like if it has token types."""
    tokenizer = Tokenizer(models.WordLevel({word: row for row, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair=f"<s> $A </s> $B:{pair_type} </s>:{pair_type}",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token=pad, model_input_names=inputs)
    fast.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def bert_like(tmp_path_factory):
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return load_tokenizer(save_tokenizer(tmp_path_factory.mktemp("bert"), 1, inputs))


@pytest.fixture(scope="module")
def xlmr_like(tmp_path_factory):
    return load_tokenizer(save_tokenizer(tmp_path_factory.mktemp("xlmr"), 0, ["input_ids", "attention_mask"]))


SINGLE = Examples(("The cat sat", "a dog"), None, np.array([1, 0], np.int32))
PAIR = Examples(("the cat sat on the mat",), ("a cat",), np.array([0.5], np.float32))


def test_ids_by_hand(bert_like):
    encoded = encode(SINGLE, bert_like, 16)
    assert [ids.tolist() for ids in encoded.input_ids] == [[0, 8, 5, 6, 2], [0, 4, 3, 2]]
    assert encoded.lengths.tolist() == [5, 4]
    assert (encoded.pad_id, encoded.labels.tolist(), len(encoded)) == (1, [1, 0], 2)
    assert encoded.input_ids[0].dtype == encoded.token_type_ids[0].dtype == np.int32


def test_of_a_pair_the_longer_sentence_is_cut(bert_like):
    encoded = encode(PAIR, bert_like, 8)
    assert encoded.input_ids[0].tolist() == [0, 8, 5, 6, 2, 4, 5, 2]
    assert encoded.token_type_ids[0].tolist() == [0, 0, 0, 0, 0, 1, 1, 1]


def test_token_types_are_zeros_where_there_are_none(xlmr_like):
    encoded = encode(PAIR, xlmr_like, 16)
    assert encoded.token_type_ids[0].tolist() == [0] * len(encoded.input_ids[0])


def test_refuses_no_room_for_text(bert_like):
    with pytest.raises(ValueError, match="max_length must exceed the 2 special tokens, got 2; use 3 or more"):
        encode(SINGLE, bert_like, 2)
    with pytest.raises(ValueError, match="max_length must exceed the 3 special tokens"):
        encode(PAIR, bert_like, 3)


def test_vocabulary_must_fit_the_checkpoint(bert_like):
    check_vocabulary(bert_like, 10)
    with pytest.raises(ValueError, match="must be below the checkpoint's vocab_size=9, got id 9 of 'mat'"):
        check_vocabulary(bert_like, 9)


def test_refuses_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"must hold a tokenizer, got none of \('tokenizer.json', 'vocab.txt'\)"):
        load_tokenizer(tmp_path)


def test_refuses_a_tokenizer_that_does_not_pad(tmp_path):
    with pytest.raises(ValueError, match="must have a tokenizer that pads"):
        load_tokenizer(save_tokenizer(tmp_path, 1, ["input_ids"], pad=None))


def test_the_checkpoint_with_xlmr_tokens(shared):
    tokenizer = load_tokenizer(shared / "weights" / "me5-small-12L-en")
    encoded = encode(SINGLE, tokenizer, 16)
    assert (encoded.pad_id, encoded.input_ids[0][0], encoded.input_ids[0][-1]) == (1, 0, 2)
    check_vocabulary(tokenizer, 28_850)
