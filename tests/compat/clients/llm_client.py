# pip: llm>=0.26,<1
"""Simon Willison's `llm`, with hal0 as one of its extra OpenAI models."""

import os
import subprocess
from pathlib import Path

home = Path.cwd() / "llm"
home.mkdir()
model = f"- model_id: hal0\n  model_name: primary\n  api_base: {os.environ['HAL0_URL']}/v1\n"
(home / "extra-openai-models.yaml").write_text(model)
env = {**os.environ, "LLM_USER_PATH": str(home), "OPENAI_API_KEY": "none"}
for extra in ((), ("--no-stream",)):
    ended = subprocess.run(
        ["llm", "-m", "hal0", "-o", "temperature", "0", *extra, "Hello!"],
        capture_output=True,
        text=True,
        timeout=120,
        env=env,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip(), ended
