"""Policy gates: one file each, plain functions that answer with a Skip, or with None where all is well."""

from connector.policy.agreement import agreed, agreement
from connector.policy.lateness import late, span
from connector.policy.overtaken import overtaken

__all__ = ["agreed", "agreement", "late", "overtaken", "span"]
