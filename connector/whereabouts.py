"""Fields that the settings of several vendors' accounts have: where people are, and by which clock they live."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from marshmallow import ValidationError, fields


class Country(fields.Field[str]):
    """A region by its two ISO 3166 letters, as phonenumbers knows it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        from phonenumbers import SUPPORTED_REGIONS  # not at the top: it takes long to import

        region = str(value).strip().upper()
        if region not in SUPPORTED_REGIONS:
            raise ValidationError("must be the two ISO letters of a country, such as GB, DE or US.")
        return region


class Timezone(fields.Field[str]):
    """A time zone by its IANA name."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        try:
            return ZoneInfo(str(value).strip()).key
        except (KeyError, ValueError, OSError):
            raise ValidationError("must be an IANA time zone, such as Europe/Berlin.") from None
