"""Buyers who do not exist: names of many scripts, addresses, and numbers that are nobody's.

Every number comes from a range that a regulator has set aside for films and examples, so that a mistake
with a real WhatsApp account behind it cannot reach a person: NANPA 555-0100 to -0199, Ofcom's numbers for
drama, ARCEP's for audiovisual works, the Bundesnetzagentur's, PTS's, and ACMA's. Japan, Viet Nam and others
have no such range, so buyers with their names and currencies live elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import phonenumbers

_US = (
    201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218, 219, 224, 225, 228, 229,
    231, 234, 239, 240, 248, 251, 252, 253, 254, 256, 260, 262, 267, 269, 270, 272, 276, 281, 301, 302, 303,
    304, 305, 307, 308, 309, 310, 312, 313, 314, 315, 316, 317, 318, 319, 320, 321, 323, 325,
)  # fmt: skip
_CA = (
    204, 236, 250, 289, 306, 343, 403, 416, 418, 437, 450, 506, 514, 519, 587, 604, 613, 647, 705, 778, 780,
    902, 905,
)  # fmt: skip
_GB = (
    2079460, 1134960, 1144960, 1164960, 1174960, 1184960, 1214960, 1314960, 1414960, 1514960, 1614960,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Region:
    """A country with numbers that are set aside."""

    code: str
    country: str
    city: str
    zip: str
    locale: str
    calling: str
    ranges: tuple[tuple[str, int, int], ...]
    """Beginning of the national number, how many digits follow, and how many of those numbers are set aside."""
    weight: int
    first: int = 0
    """The first number of each range."""

    @property
    def size(self) -> int:
        """Return how many different numbers there are."""
        return sum(count for _, _, count in self.ranges)

    def number(self, place: int) -> str:
        """Return one of them in E.164."""
        place %= self.size
        for start, digits, count in self.ranges:
            if place < count:
                return f"+{self.calling}{start}{self.first + place:0{digits}d}"
            place -= count
        raise AssertionError("the ranges add up to the size")


# No range reaches the last four digits from 9000 on, which mean trouble to the stand-in.
REGIONS = (
    Region("US", "United States", "Springfield", "62704", "en-US", "1",
           tuple((f"{area}55501", 2, 100) for area in _US), 30),
    Region("FR", "France", "Besançon", "25000", "fr-FR", "33",
           (("19900", 4, 9000), ("26191", 4, 9000), ("35301", 4, 9000), ("46571", 4, 9000), ("53649", 4, 9000)), 20),
    Region("GB", "United Kingdom", "Llanfairpwll", "LL61 5UJ", "en-GB", "44",
           tuple((str(start), 3, 1000) for start in _GB), 20),
    Region("CA", "Canada", "Montréal", "H2X 1Y4", "fr-CA", "1", tuple((f"{area}55501", 2, 100) for area in _CA), 10),
    Region("DE", "Germany", "Köln", "50667", "de-DE", "49",
           (("1713920", 3, 100), ("3023125", 3, 900), ("8999998", 3, 900)), 10),
    Region("AU", "Australia", "Wagga Wagga", "2650", "en-AU", "61", (("25550", 4, 9000), ("37010", 4, 9000)), 8),
    Region("SE", "Sweden", "Malmö", "211 19", "sv-SE", "46", (("701740", 3, 95),), 2, first=605),
)  # fmt: skip

NAMES = (
    ("Zoë", "Müller-Lüdenscheidt"), ("Nguyễn Thị", "Hương"), ("小龍", "李"), ("さくら", "田中"), ("محمد", "الأحمد"),
    ("Владимир", "Петров"), ("María José", "Núñez"), ("Siobhán", "O’Brien"), ("Łukasz", "Żółć"), ("İbrahim", "Çelik"),
    ("Ólafur", "Þórðarson"), ("Anne-Sophie", "L'Hôpital"), ("प्रिया", "शर्मा"), ("지우", "김"), ("Ἑλένη", "Παπαδοπούλου"),
    ("שירה", "כהן"), ("Thandiwe", "Nkosi"), ("Jo 👩‍🍳", "Baker"), ("X", "Æ"), ("Ada", "Lovelace"),
    ("Jean-Baptiste Emmanuel Maximilien", "de La Rochefoucauld-Montbel"), ("bobby", "tables'); --"),
    ("{% if %}", "$& {name} %s"), ("  Trim ", " Me "),
)  # fmt: skip
"""First and last names, as buyers type them."""

UNUSABLE = (
    None, "", "+291****0123", "123", "0000000000", "CALL ME", "+1 (555) 555-5555", "-", "n/a", "+999 123 456 789",
    "+1 555 0100", "99",
)  # fmt: skip
"""What stands where a phone number should: nothing, masked, cut, invented."""


class People:
    """Hands out regions, names and numbers; a number comes again only when all of its region are used up."""

    def __init__(self, seed: int) -> None:
        start = Random(f"{seed}:people")  # noqa: S311 - repeatable data, no secret
        self._places = {region.code: start.randrange(region.size) for region in REGIONS}

    def region(self, chance: Random) -> Region:
        """Choose a region by its weight."""
        return chance.choices(REGIONS, [region.weight for region in REGIONS])[0]

    def number(self, region: Region) -> str:
        """Return the region's next number in E.164."""
        self._places[region.code] += 1
        return region.number(self._places[region.code])


def national(number: str) -> str:
    """Write a number as people of its country do, without the country code."""
    parsed = phonenumbers.parse(number)
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL))
