"""Chance that can be repeated: a draw depends on the seed and on what it is about, never on the timing."""

from __future__ import annotations

from hashlib import blake2b


def draw(seed: int, *about: object) -> float:
    """Return a number in [0, 1) that is always the same for the same seed and the same words."""
    words = "\x1f".join(map(str, (seed, *about))).encode()
    return int.from_bytes(blake2b(words, digest_size=7).digest(), "big") / 2**56


def digits(seed: int, count: int, *about: object) -> str:
    """Return that many decimal digits, always the same for the same seed and words."""
    words = "\x1f".join(map(str, (seed, *about))).encode()
    number = int.from_bytes(blake2b(words, digest_size=32).digest(), "big")
    return f"{number % 10**count:0{count}d}"
