# pip: aider-chat>=0.86,<1
"""Aider, asked one question with `--message`."""

import os
import re
import subprocess

ended = subprocess.run(
    [
        "aider", "--message", "What is a function?", "--model", "openai/primary",
        "--openai-api-base", os.environ["HAL0_URL"] + "/v1", "--openai-api-key", "none",
        "--no-git", "--yes-always", "--no-check-update", "--analytics-disable", "--no-show-model-warnings",
        "--no-pretty", "--no-auto-lint", "--map-tokens", "0", "--edit-format", "ask",
    ],
    capture_output=True,
    text=True,
    timeout=240,
    env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    check=False,
    stdin=subprocess.DEVNULL,
)  # fmt: skip
assert ended.returncode == 0, ended.stdout + ended.stderr
counted = re.search(r"Tokens: (\d+) sent, (\d+) received", ended.stdout)
assert counted, ended.stdout + ended.stderr
assert int(counted[2]) > 0, ended.stdout
assert "litellm." not in ended.stdout, ended.stdout  # how it tells of failures
