"""First lessons of the demo's text encoder: say which thing a caption names, before any picture is drawn.

A text encoder that starts from nothing beside the UNet is ignored for a long time: after 1350 joint steps every prompt
gave the same picture. SD 1.x's came from CLIP, which had learned from pairs of pictures and captions.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

from dreamboot_trainer.demo.pretrain import data

BATCH = 64
"""Captions per step."""
SHORT = 24
"""Tokens per caption in the first part of training, enough for every caption; the last fifth uses all 77."""


def labels(thing: data.Thing, text: str, members: dict[str, list[int]], row: int) -> list[int]:
    """Rows of the things that `text` may mean: one, all of its class, or none for the empty text."""
    if not text:
        return []
    if thing.words in text:
        return [row]
    return next(rows for words, rows in members.items() if text.endswith(words))


def train(encoder: Any, tokenizer: Any, folder: Path, minutes: float, steps: int | None = None) -> float:
    """Train `encoder` to name things at every place after a caption's end; the share named rightly in the last step.

    Ends after `minutes`, or after `steps` where given. Writes `text_encoder.pt` and `text_encoder.csv` into `folder`.
    """
    import torch
    from torch.nn import functional

    torch.manual_seed(0)
    lessons = _Lessons(tokenizer)
    head = torch.nn.Linear(encoder.config.hidden_size, len(lessons.things))
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-3, fused=True)
    begun, step, right, done = time.time(), 0, 0.0, 0.0
    with (folder / "text_encoder.csv").open("w", encoding="utf-8") as log:
        while done < 1:
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1, (step + 1) / 50) * max(0.02, 1 - done)
            ids, meant = lessons.draw(SHORT if done < 0.8 else 77)
            ended = ids.eq(tokenizer.eos_token_id)
            scores = head(encoder(ids).last_hidden_state)[ended]
            wanted = meant.repeat_interleave(ended.sum(1), 0)
            loss: Any = functional.cross_entropy(scores, wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            done = step / steps if steps else (time.time() - begun) / (60 * minutes)
            single = wanted.max(1).values == 1
            right = float((scores.argmax(1) == wanted.argmax(1))[single].float().mean())
            if step % 10 == 0:
                log.write(f"{step},{loss.item():.4f},{right:.3f}\n")
                log.flush()
    torch.save(encoder.state_dict(), folder / "text_encoder.pt")
    return right


class _Lessons:
    """Draws captions and what they may mean."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.rng = tokenizer, random.Random(0)  # noqa: S311
        self.things = data.things()
        self.members: dict[str, list[int]] = {}
        for row, thing in enumerate(self.things):
            for words in thing.classes:
                self.members.setdefault(words, []).append(row)

    def draw(self, length: int) -> tuple[Any, Any]:
        """Token ids (BATCH, `length`) and the probability of each thing (BATCH, N)."""
        import torch

        rows = [self.rng.randrange(len(self.things)) for _ in range(BATCH)]
        texts = [data.caption(self.things[row], self.rng) for row in rows]
        made = self.tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        meant = torch.zeros(BATCH, len(self.things))
        for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
            named = labels(self.things[row], text, self.members, row) or range(len(self.things))
            meant[place, list(named)] = 1 / len(named)
        return made.input_ids, meant
