"""The rare word that names a subject: which one it is, whether it is rare, and what it can start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dreamboot_trainer.problems import TrainerError, mismatch

if TYPE_CHECKING:
    from dreamboot_trainer.data.concepts import Subject
    from dreamboot_trainer.families import TextParts

_COMMON = 40000
"""Of CLIP's 49,408 tokens: `dog` is 1,929, `sks` 48,136, `ohwx` 47,993."""


def new_words(instance_prompt: str, class_prompt: str) -> list[str]:
    """The words of the instance prompt that the class prompt does not have."""
    known = class_prompt.lower().split()
    return [word for word in instance_prompt.lower().split() if word not in known]


def common_identifier(tokenizer: Any, instance_prompt: str, class_prompt: str) -> str:
    """The word that names the subject where the model knows it well; empty where one of the new words is rare.

    CLIP's tokens are numbered by how common they are: a word that is one token with a low number is a common word.
    """
    ours = new_words(instance_prompt, class_prompt)
    if not ours or not class_prompt or len(tokenizer) < _COMMON:
        return ""
    ids = [_ids(tokenizer, word) for word in ours]
    common = [len(found) == 1 and found[0] < _COMMON for found in ids]
    return ours[0] if all(common) else ""


def initialise(text: TextParts, subjects: Sequence[Subject], words: Sequence[str]) -> list[str]:
    """The token of every subject's rare word gets the embedding of a word that means something like it.

    The mean of the embeddings where that word has several tokens, as textual inversion begins (Gal et al. 2022,
    section 3). The vocabulary keeps its size, so that every program loads the result. Returns a sentence per subject.
    TrainerError where the number of words does not fit, or a rare word is not one token of any encoder.
    """
    if len(words) not in (1, len(subjects)):
        expected = f"one word, or {len(subjects)}: one per concept"
        raise TrainerError(
            mismatch(
                "token-initializers",
                "The words that the rare tokens start from do not fit the concepts.",
                expected,
                f"{len(words)}",
                "--set 'token_initializers=[\"dog\"]'",
            )
        )
    said = []
    for subject, word in zip(subjects, list(words) * (len(subjects) if len(words) == 1 else 1), strict=True):
        rare = _identifier(text.tokenizers[0], subject)
        done = [_copy(t, e, rare, word) for t, e in zip(text.tokenizers, text.encoders, strict=True)]
        if not any(done):
            raise TrainerError(
                mismatch(
                    "token-not-single",
                    f"The word '{rare}' cannot start from '{word}'.",
                    "a rare word that is one token of the text encoder, such as sks or ohwx",
                    f"a word of {len(_ids(text.tokenizers[0], rare))} tokens",
                    f"--set 'instance_prompt={subject.instance_prompt.replace(rare, 'sks')}'",
                )
            )
        said.append(f"'{rare}' starts from the meaning of '{word}'")
    return said


def _identifier(tokenizer: Any, subject: Subject) -> str:
    """Of the new words the rarest one: the one that is most tokens, then the one with the highest number."""
    words = new_words(subject.instance_prompt, subject.class_prompt) or subject.instance_prompt.lower().split()
    return max(words, key=lambda word: (len(_ids(tokenizer, word)), _ids(tokenizer, word)[-1]))


def _copy(tokenizer: Any, encoder: Any, rare: str, word: str) -> bool:
    """Whether the rare word is one token of this encoder; its embedding is then that of the word."""
    import torch

    target, source = _ids(tokenizer, rare), _ids(tokenizer, word)
    if len(target) != 1:
        return False
    table = encoder.get_input_embeddings().weight
    with torch.no_grad():
        table[target[0]] = table[source].mean(0)
    return True


def _ids(tokenizer: Any, word: str) -> list[int]:
    return list(tokenizer(word, add_special_tokens=False).input_ids)
