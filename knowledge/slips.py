"""What tired hands do to a text: letters wrong, compounds written apart. The same slips every time."""

from __future__ import annotations

import random

_ALPHABET = "abcdefghijklmnoprstuvyæøå"
_LONG = 9  # letters; a longer word is likely a compound


def wrong_letters(text: str, share: float = 0.1) -> str:
    """The text with this share of its letters left out, replaced, followed by another, or moved one place back."""
    chance = random.Random(text)  # noqa: S311 - repeatable, not secret
    typed: list[str] = []
    for letter in text:
        if not letter.isalpha() or chance.random() >= share:
            typed.append(letter)
            continue
        match chance.randrange(4):
            case 0:
                continue
            case 1:
                typed.append(chance.choice(_ALPHABET))
            case 2:
                typed += [letter, chance.choice(_ALPHABET)]
            case _ if typed and typed[-1] != " ":
                typed.insert(-1, letter)
            case _:
                typed.append(letter)
    return "".join(typed)


def split_compounds(text: str) -> str:
    """The text with its long words written as two."""
    return " ".join(
        f"{word[: len(word) // 2]} {word[len(word) // 2 :]}" if len(word) > _LONG else word for word in text.split()
    )
