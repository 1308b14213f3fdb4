"""Policy gates: one file each, plain functions that answer with a Skip, or with None where all is well."""

from connector.policy.agreement import agreed, agreement
from connector.policy.cap import over, over_any, parse_cap, span_of
from connector.policy.country import country_of
from connector.policy.lateness import late, span
from connector.policy.overtaken import overtaken
from connector.policy.quiet import opens_at, parse_quiet, zones_of

__all__ = [
    "agreed",
    "agreement",
    "country_of",
    "late",
    "opens_at",
    "over",
    "over_any",
    "overtaken",
    "parse_cap",
    "parse_quiet",
    "span",
    "span_of",
    "zones_of",
]
