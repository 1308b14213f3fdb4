"""``connector accounts fields``: which fields a vendor's records have, for writing mappings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from connector.cli.console import say, say_next, show_json, show_table, tools
from connector.errors import ConfigurationError
from connector.flow import accounts as flow
from connector.flow.fields import MOST_BYTES, Described, describe, objects_of, read
from connector.flow.story import hide_phones


@click.command()
@click.argument("name")
@click.option("--object", "object_", default="", metavar="OBJECT", help="Contact, customer, … in the vendor's words.")
@click.option(
    "--wsdl",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Read them from this file of the vendor's own (Salesforce: an outbound message's WSDL) instead of asking.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def fields(name: str, object_: str, wsdl: Path | None, as_json: bool) -> None:
    """List the fields that records at the account NAME have: for mappings, and for what is written back.

    The vendor is asked where the account has access to its API; else what the adapter knows is listed. Without
    --object the objects are listed.

    \b
    Example:
      connector accounts fields main-store --object customer
      connector accounts fields crm --object Contact
      connector accounts fields crm --wsdl contact-changed.wsdl
    """
    with_ = tools()
    row = flow.find(with_.store, name)
    adapter = with_.registry.get(row.adapter)
    if wsdl is not None:
        _show(read(adapter, _bytes(wsdl), object_), as_json=as_json)
        return
    if not object_:
        _show_objects(name, adapter.title, objects_of(adapter), as_json=as_json)
        return
    reached = with_.crm(row.id) if adapter.crm is not None else None
    _show([describe(adapter, reached[1] if reached else None, object_)], as_json=as_json)
    if reached is None and adapter.crm is not None and not as_json:
        say_next(f"with access to its API more is known, if there is more: connector accounts check {name}")


def _show(found: Sequence[Described], *, as_json: bool) -> None:
    if as_json:
        show_json([_shape(item) for item in found])
        return
    for item in found:
        number = len(item.fields)
        say(f"{item.object}: {number} {'field' if number == 1 else 'fields'}, says {item.source}")
        show_table(
            ("FIELD", "TYPE", "WORDS"), ((each.path, each.type, hide_phones(each.words)) for each in item.fields)
        )


def _show_objects(name: str, title: str, objects: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        show_json(list(objects))
    elif not objects:
        say(f"{title} keeps no records of people.")
    else:
        say(f"{title} has {', '.join(objects)}.")
        say_next(f"connector accounts fields {name} --object {objects[0]}")


def _shape(item: Described) -> dict[str, Any]:
    told = [{"field": each.path, "type": each.type, "words": each.words} for each in item.fields]
    return {"object": item.object, "source": item.source, "fields": told}


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
