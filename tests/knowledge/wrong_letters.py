"""Typing errors as tired hands make them; the product measures itself with the same."""

from __future__ import annotations

from knowledge.slips import wrong_letters

__all__ = ["wrong_letters"]
