"""PyTorch Distributed Checkpoint: every rank pushes the files that it wrote, and all of them become one revision.

Save to a disk of the node. On a file system that all ranks share, let rank 0 push the whole folder instead (without `session`).
"""

import os

import torch.distributed.checkpoint as dcp
from ferry_push import FerryPushes


def save(pushes: FerryPushes, state_dict, folder, step):
    """Writes a checkpoint, then starts its push; returns while that is under way. Call `pushes.finish()` at the end of training."""
    # The push before must not lose its files.
    pushes.finish()
    dcp.save(state_dict, checkpoint_id=folder)
    # Rank 0 writes `.metadata` when all others are done, and everybody waits for that in save().
    job = os.environ.get("SLURM_JOB_ID") or os.environ.get("TORCHELASTIC_RUN_ID") or "local"
    # The last rank that is ready commits, so all say the same. RANK and WORLD_SIZE, set by torchrun, say which part this is of how many.
    pushes.start(folder, message=f"step {step}", labels={"step": step}, session=f"{job}-{step}")
