"""Pushes a folder by the `ferry` program, beside training: one push at a time, in the background, failures told at the next one.

    pushes = FerryPushes("team/llama")
    pushes.start("ckpt/step-1000", message="step 1000", labels={"step": 1000}, metrics={"loss": 0.31})
    pushes.finish()                      # at the end of training: waits, raises when a push failed

With `session` every rank pushes what it has, and all parts become one revision. `ferry` finds its deployment in FERRY_ENDPOINT and FERRY_TOKEN.
"""

import subprocess


class FerryPushes:
    def __init__(self, repository, ferry="ferry"):
        self._repository = repository
        self._ferry = ferry
        self._running = None
        self._what = ""

    def start(self, folder, message="", labels=None, metrics=None, session=None):
        """Waits for the push before, if it is still under way, then starts this one. Files must not change until it ended."""
        self.finish()
        words = [self._ferry, "push", str(folder), self._repository, "--quiet", "--message", message]
        for key, value in (labels or {}).items():
            words += ["--label", f"{key}={value}"]
        for key, value in (metrics or {}).items():
            words += ["--metric", f"{key}={value}"]
        if session is not None:
            words += ["--session", session]
        self._what = str(folder)
        self._running = subprocess.Popen(words, stdout=subprocess.DEVNULL)

    def finish(self):
        """Waits for the push that is under way. A push that failed may be started again: what is stored is not sent twice."""
        if self._running is None:
            return
        code = self._running.wait()
        self._running = None
        if code != 0:
            raise RuntimeError(f"ferry push of {self._what} left with {code}; what it said is on standard error")
