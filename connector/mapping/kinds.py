"""The kinds of mapping files, told apart by their ``kind``: a file without one is a notification mapping."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as MappingOf
from typing import TypeAlias

from connector.errors import Fault, MappingError
from connector.mapping import contact_form, form, people_form, rates_form
from connector.mapping.contact import ContactMapping
from connector.mapping.nearest import nearest
from connector.mapping.notification import Mapping
from connector.mapping.people import PeoplePolicy
from connector.mapping.pieces import read_toml, refuse_name
from connector.mapping.rates import Rates

Document: TypeAlias = Mapping | ContactMapping | PeoplePolicy | Rates
"""What a mapping file says, whatever its kind."""
_READERS: MappingOf[str, Callable[[str, str], Document]] = {
    form.KIND: form.load,
    contact_form.KIND: contact_form.load_contact,
    people_form.KIND: people_form.load_people,
    rates_form.KIND: rates_form.load_rates,
}
_OWN = {people_form.NAME: (people_form.KIND, "the people policy"), rates_form.NAME: (rates_form.KIND, "the rates")}
"""Names that mean one thing, whatever kind a file of that name claims."""
KINDS = tuple(_READERS)


def read(name: str, source: str) -> Document:
    """Read a mapping file of any kind. Raises MappingError with every fault and its dotted path."""
    refuse_name(name)
    kind = read_toml(source).get("kind", form.KIND)
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        hint = nearest(kind, KINDS) if isinstance(kind, str) else ""
        raise MappingError([Fault("kind", f"must be {' or '.join(map(repr, KINDS))}{hint or '.'}")])
    own, what = _OWN.get(name, (kind, ""))
    if kind != own:
        raise MappingError([Fault("kind", f"must be {own!r}: {name} is the name of {what}.")])
    return reader(name, source)


def kind_of(source: str) -> str:
    """Return the kind that a text claims, for lists; a text that cannot be read counts as a notification."""
    try:
        kind = read_toml(source).get("kind", form.KIND)
    except MappingError:
        return form.KIND
    return kind if isinstance(kind, str) and kind in _READERS else form.KIND
