"""Typing errors as tired hands make them, the same ones every time."""

from __future__ import annotations

import random

_ALPHABET = "abcdefghijklmnoprstuvyæøå"


def wrong_letters(text: str, share: float = 0.1) -> str:
    """The text with this share of its letters left out, replaced, doubled by another, or moved one place back."""
    chance = random.Random(text)
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
