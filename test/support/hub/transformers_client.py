"""Pushes a tokenizer and a config with transformers, and loads them again by their names. argv: name for a new repository."""

import json
import sys

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoConfig, AutoTokenizer, BertConfig, PreTrainedTokenizerFast

NEW = sys.argv[1]


def push_to_hub():
    words = Tokenizer(models.WordLevel({"[UNK]": 0, "hello": 1, "world": 2}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").push_to_hub(NEW)
    BertConfig(hidden_size=32, num_attention_heads=2, num_hidden_layers=1).push_to_hub(NEW)


def from_pretrained():
    assert AutoConfig.from_pretrained(NEW).hidden_size == 32
    assert AutoTokenizer.from_pretrained(NEW)("hello world")["input_ids"] == [1, 2]


print(json.dumps({"version": transformers.__version__}), flush=True)
for operation in [push_to_hub, from_pretrained]:
    try:
        operation()
        error = None
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    print(json.dumps({"operation": operation.__name__, "error": error}), flush=True)
