"""Who asked for a model by its name and waited while its slot got another one is never answered by that other one."""

import asyncio
import shutil
from pathlib import Path

import httpx

from hal0.models import CARDS
from tests.fakes.installation import installed

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Tell me a story."}]
ENDLESS = {"model": "primary", "messages": HELLO, "stream": True, "ignore_eos": True, "logit_bias": []}
CONFIG = """
[daemon]
ports = @PORTS@
[models.other]
path = "./other.gguf"
[slots.primary]
model = "hal0-starter"
drain_timeout = 0.2
"""


async def test_a_request_for_a_model_that_has_moved_away_is_told_so(tmp_path: Path) -> None:
    starter = next(card for card in CARDS if card.id == "hal0-starter")
    shutil.copy(starter.path, tmp_path / "other.gguf")
    with installed(tmp_path, CONFIG) as hal0:
        async with httpx.AsyncClient(base_url=hal0.url, timeout=60) as client:
            async with client.stream("POST", CHAT, json=ENDLESS) as busy:
                lines = busy.aiter_lines()
                await anext(lines)
                by_model, by_slot = (
                    asyncio.ensure_future(client.post(CHAT, json={"model": name, "messages": HELLO, "max_tokens": 4}))
                    for name in ("hal0-starter", "primary")
                )
                while hal0.slot("primary")["waiting"] < 2:
                    await asyncio.sleep(0.02)
                with hal0.client() as admin:
                    assert admin.patch("/api/slots/primary", json={"model": "other"}).status_code == 200
                async for _ in lines:
                    pass
            refused, answered = await by_model, await by_slot
    assert refused.status_code == 404, refused.text
    assert refused.json()["error"]["code"] == "dispatch.no_route"
    assert answered.status_code == 200, answered.text
    assert answered.headers["x-hal0-model"] == "other"
