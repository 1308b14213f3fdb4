"""The mapping engine: which template goes to whom and when, and what stands in it.

``load`` reads a file, ``check`` compares it with what is declared and approved, ``plan`` decides about an
event. All three are pure; faults come together, decisions with their steps.
"""

from connector.mapping.check import check
from connector.mapping.form import load
from connector.mapping.notification import Choice, Language, Mapping, Timing, To, When
from connector.mapping.plan import Situation, draft, gate, plan

__all__ = [
    "Choice",
    "Language",
    "Mapping",
    "Situation",
    "Timing",
    "To",
    "When",
    "check",
    "draft",
    "gate",
    "load",
    "plan",
]
