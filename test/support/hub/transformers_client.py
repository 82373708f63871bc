"""Pushes a tokenizer and a config with transformers, and loads them again by their names; where torch is installed, weights too.

argv: name for a new repository.
"""

import importlib.util
import json
import os
import sys
import tempfile

import numpy
import transformers
from huggingface_hub import HfApi, hf_hub_download
from safetensors.numpy import load_file, save_file
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


def safetensors_weights():
    tensors = {f"layer.{at}": numpy.random.default_rng(at).standard_normal((1500, 1000), dtype=numpy.float32) for at in range(3)}
    with tempfile.TemporaryDirectory() as folder:
        save_file(tensors, os.path.join(folder, "model.safetensors"))
        HfApi().upload_folder(repo_id=NEW, folder_path=folder)
    loaded = load_file(hf_hub_download(NEW, "model.safetensors"))
    assert loaded.keys() == tensors.keys() and all(numpy.array_equal(loaded[name], tensors[name]) for name in tensors)


def from_pretrained_weights():
    import torch
    from transformers import AutoModel

    model = AutoModel.from_config(BertConfig(hidden_size=32, num_attention_heads=2, num_hidden_layers=1))
    model.push_to_hub(f"{NEW}-weights")
    again = AutoModel.from_pretrained(f"{NEW}-weights").state_dict()
    assert all(torch.equal(tensor, again[name]) for name, tensor in model.state_dict().items())


HAS_TORCH = importlib.util.find_spec("torch") is not None
OPERATIONS = [push_to_hub, from_pretrained, safetensors_weights] + ([from_pretrained_weights] if HAS_TORCH else [])

print(json.dumps({"version": transformers.__version__}), flush=True)
for operation in OPERATIONS:
    try:
        operation()
        error = None
    except Exception as failure:
        error = f"{type(failure).__name__}: {failure}"
    print(json.dumps({"operation": operation.__name__, "error": error}), flush=True)
