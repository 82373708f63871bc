"""Megatron-LM with asynchronous saves: one more finalize function, which runs when all ranks' data is on the disk.

In megatron/training/checkpointing.py, where the other finalize functions are added:

    async_save_request.add_finalize_fn(push_when_saved(pushes, checkpoint_name, iteration))
"""

import os

import torch.distributed as dist
from ferry_push import FerryPushes


def push_when_saved(pushes: FerryPushes, checkpoint_folder, iteration):
    def finalize():
        # The folder is complete and shared: one rank pushes it. Training goes on meanwhile.
        if dist.get_rank() == 0:
            name = os.path.basename(os.path.normpath(checkpoint_folder))
            pushes.start(checkpoint_folder, message=name, labels={"step": iteration, "checkpoint": name})

    return finalize
