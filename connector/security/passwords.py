"""Passwords of people: what is taken for one, and how it is kept."""

from __future__ import annotations

import threading
import unicodedata
from itertools import pairwise

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST, LONGEST = 12, 256
"""Characters. Longer ones are refused before they are hashed."""
AT_ONCE = 4
"""Hashes at a time: each takes 19 MB, and strangers may ask for them."""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)  # OWASP's second recommendation for argon2id
_DUMMY = "$argon2id$v=19$m=19456,t=2,p=1$NKsiu+AWqzNE0xACBmqS9g$WBYa1g2TAvjiHkUphrpDI0gcZ5zPLlseFkHnCitIfqI"
"""Of a password that nobody has, and that is forgotten."""
_TURN = threading.BoundedSemaphore(AT_ONCE)
_STEMS = frozenset({
    "abc", "abcd", "abcdef", "admin", "administrator", "asdfgh", "autumn", "azerty", "baseball", "batman", "changeme",
    "connector", "default", "dragon", "edc", "football", "freedom", "guest", "hello", "herbst", "iloveyou",
    "jennifer", "letmein", "login", "master", "michael", "monkey", "passw0rd", "password", "passwort", "princess",
    "qaz", "qwerty", "qwertz", "root", "salesforce", "secret", "shadow", "shopify", "sommer", "spring", "starwars",
    "summer", "sunshine", "superman", "test", "testing", "trustno", "user", "welcome", "whatever", "whatsapp",
    "willkommen", "winter", "wsx", "xsw", "zaq",
})  # fmt: skip
"""What the most used passwords are made of."""
_RUNS = ("abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiopasdfghjklzxcvbnm", "qwertzuiopasdfghjklyxcvbnm")


def normal(password: str) -> str:
    """Return a password in the one form in which it is hashed, so that every keyboard types the same."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "replace").decode()


def fault(password: str, *known: str) -> str:
    """Say what is wrong with a new password, or nothing; ``known`` are words that others know of this person."""
    if len(password) > LONGEST:
        return f"Take at most {LONGEST} characters."
    text = normal(password)
    if len(text) < SHORTEST:
        return f"Take at least {SHORTEST} characters. Four words that have nothing to do with each other are good."
    low = text.casefold()
    for word in known:
        parts = {word.casefold(), word.casefold().partition("@")[0]}
        if any(len(part) > 3 and (part in low and len(low) - len(part) < 6) for part in parts):
            return "This is too close to your name or e-mail."
    if len(set(low)) < 5:
        return "This repeats a few characters."
    if len(_without_runs(low)) < 5 or _is_stem(low):
        return "Anybody would try this among the first. Take four words that have nothing to do with each other."
    return ""


def hash_(password: str) -> str:
    """Hash a new password."""
    with _TURN:
        return _HASHER.hash(normal(password))


def verify(password: str, hashed: str | None) -> bool:
    """Tell whether this is the password; takes as long where there is none to compare with."""
    text = normal(password[:LONGEST])
    with _TURN:
        try:
            _HASHER.verify(hashed or _DUMMY, text)
        except (VerificationError, InvalidHashError):
            return False
    return bool(hashed) and len(password) <= LONGEST


def is_old(hashed: str) -> bool:
    """Tell whether a password is to be hashed anew, since what is asked of a hash has risen."""
    return _HASHER.check_needs_rehash(hashed)


def _is_stem(text: str) -> bool:
    """Tell whether little but a much used word is left without digits, signs and repetition."""
    letters = "".join(each for each in text if each.isalpha())
    for stem in sorted(_STEMS, key=len, reverse=True):
        letters = letters.replace(stem, "")
    return len(letters) < 4 and len({each for each in text if not each.isalnum()}) < 4


def _without_runs(text: str) -> str:
    """Return what is left of a text without steps along the alphabet, the digits or a row of keys."""
    left = text[:1]
    for before, each in pairwise(text):
        pair = before + each
        if before != each and not any(pair in run or pair in run[::-1] for run in _RUNS):
            left += each
    return left
