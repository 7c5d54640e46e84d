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

START = 3
"""The first word that names something stands at this place or later: start of text, "a", "photo", "of"."""
SHORT = 24
"""Tokens per caption in the first part of training, enough for every caption; the last fifth uses all 77."""


def labels(thing: data.Thing, text: str, members: dict[str, list[int]], row: int) -> list[int]:
    """Rows of the things that `text` may mean: one, all of its class, or none for the empty text."""
    if not text:
        return []
    if thing.words in text:
        return [row]
    return next(rows for words, rows in members.items() if text.endswith(words))


def train(encoder: Any, tokenizer: Any, folder: Path, minutes: float, batch: int = 64, seed: int = 0) -> float:
    """Train `encoder` to name things at every place after a caption's end; the share named rightly at the end.

    Writes `text_encoder.pt` into `folder`.
    """
    import torch
    from torch.nn import functional

    torch.manual_seed(seed)
    rng = random.Random(seed)  # noqa: S311
    chosen = data.things()
    members: dict[str, list[int]] = {}
    for row, thing in enumerate(chosen):
        for words in thing.classes:
            members.setdefault(words, []).append(row)
    head = torch.nn.Linear(encoder.config.hidden_size, len(chosen))
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, betas=(0.9, 0.98), weight_decay=1e-3, fused=True)
    begun, right = time.time(), 0.0
    with (folder / "text_encoder.csv").open("w", encoding="utf-8") as log:
        step = 0
        while (done := (time.time() - begun) / (60 * minutes)) < 1:
            for group in optimizer.param_groups:
                group["lr"] = 2e-3 * min(1, (step + 1) / 50) * max(0.02, 1 - done)
            rows = [rng.randrange(len(chosen)) for _ in range(batch)]
            texts = [data.caption(chosen[row], rng) for row in rows]
            length = SHORT if done < 0.8 else 77
            ids = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
            target = torch.zeros(batch, len(chosen))
            for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
                meant = labels(chosen[row], text, members, row) or range(len(chosen))
                target[place, list(meant)] = 1 / len(meant)
            ended = ids.input_ids.eq(tokenizer.eos_token_id)
            scores = head(encoder(ids.input_ids).last_hidden_state)[ended]
            wanted = target.repeat_interleave(ended.sum(1), 0)
            loss: Any = functional.cross_entropy(scores, wanted)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
            single = wanted.max(1).values == 1
            right = float((scores.argmax(1) == wanted.argmax(1))[single].float().mean())
            if step % 10 == 0:
                log.write(f"{step},{loss.item():.4f},{right:.3f}\n")
                log.flush()
    torch.save(encoder.state_dict(), folder / "text_encoder.pt")
    return right
