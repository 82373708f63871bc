"""transformers.Trainer: every checkpoint becomes a revision, with step and the last figures.

    Trainer(..., callbacks=[FerryCallback("team/llama")])
"""

import os

from ferry_push import FerryPushes
from transformers import TrainerCallback


class FerryCallback(TrainerCallback):
    def __init__(self, repository, **options):
        self._pushes = FerryPushes(repository, **options)

    def on_save(self, args, state, control, **kwargs):
        if not state.is_world_process_zero:
            return
        folder = os.path.join(args.output_dir, f"checkpoint-{state.global_step}")
        self._pushes.start(
            folder,
            message=f"step {state.global_step}",
            labels={"step": state.global_step},
            metrics=_figures(state.log_history),
        )

    def on_train_end(self, args, state, control, **kwargs):
        self._pushes.finish()


def _figures(history):
    """The last value of every figure that was logged."""
    last = {}
    for entry in history:
        last.update({key: value for key, value in entry.items() if isinstance(value, (int, float)) and key not in ("step", "epoch")})
    return last
