"""``connector mappings``: what is sent when - as files, drafts and published versions."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from connector.cli.console import (
    Commands,
    enter,
    existing,
    say,
    say_done,
    say_next,
    show_json,
    show_source,
    show_table,
    tools,
)
from connector.cli.files import SHIPPED, MappingFile, is_file, read_files
from connector.errors import ConfigurationError, Fault, MappingError
from connector.flow import drift
from connector.flow import publish as flow
from connector.flow.described import asker
from connector.mapping.kinds import kind_of
from connector.registry import Registry
from connector.store import mappings as rows
from connector.wiring import Wiring

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
note = click.option("--note", default="", help="Why; kept with the version.")


@click.group(cls=Commands)
def mappings() -> None:
    """Say what is sent when, and which field is which: check, import, publish, compare, roll back.

    \b
    Example:
      connector mappings import shipped --publish
    """


@mappings.command()
@click.argument("what", nargs=-1, required=True, metavar="FILE|NAME...")
@as_json
def check(what: tuple[str, ...], as_json: bool) -> None:
    """Check files, folders or stored drafts, and print every fault with its place (exit code 1).

    A file is checked against the fields of its event, and against the stored templates where there is a
    database; a contact mapping against the fields that the CRM describes, where one is connected.

    \b
    Example:
      connector mappings check mappings/shopify/order_paid.toml
      connector mappings check shopify/order_paid
    """
    names = [each for each in what if not is_file(each) and each != SHIPPED]
    texts = read_files(each for each in what if each not in names)
    with_ = tools() if names else existing()
    if with_ is not None:
        texts += [MappingFile(name, flow.text(with_.store, name), name) for name in names]
    store, registry = (with_.store, with_.registry) if with_ else (None, Registry())
    described = _described(with_) if with_ else flow.undescribed
    found = {each: flow.find_faults(store, registry, each.name, each.source, described) for each in texts}
    if as_json:
        show_json([_describe_faults(each, faults) for each, faults in found.items()])
    else:
        for each, faults in found.items():
            if faults:
                _say_faults(each.where, faults)
            else:
                say_done(f"{each.where} is sound.")
        if with_ is None:
            say_next("there is no database yet, so no templates were looked at; check again after `templates sync`")
    if any(found.values()):
        click.get_current_context().exit(1)


@mappings.command("list")
@as_json
def list_(as_json: bool) -> None:
    """List the mappings: the version in force, what its draft differs in, what its templates met.

    \b
    Example:
      connector mappings list
    """
    with_ = tools()
    with with_.store.read() as tx:
        drifted = drift.all_(tx)
        found = rows.all_(tx)
        sources = {version.name: version.source for version in rows.in_force(tx)}
    told = [_summary(row, sources.get(row.name), drifted.get(row.name, ())) for row in found]
    if as_json:
        show_json(told)
    elif not told:
        say("There is no mapping yet.")
        say_next("connector mappings import shipped")
    else:
        show_table(
            ("NAME", "KIND", "IN FORCE", "DRAFT", "NOTE"),
            (
                (
                    each["name"],
                    each["kind"],
                    f"v{each['published']}" if each["published"] else "no",
                    "changed" if each["has_changes"] else "the same",
                    "; ".join(each["troubles"]),
                )
                for each in told
            ),
        )


@mappings.command()
@click.argument("name")
@click.option("--version", type=click.IntRange(1), help="A published version; else the draft.")
@as_json
def show(name: str, version: int | None, as_json: bool) -> None:
    """Show the mapping NAME and its versions.

    \b
    Example:
      connector mappings show shopify/order_paid --version 3
    """
    with_ = tools()
    source = flow.text(with_.store, name, str(version or flow.DRAFT))
    with with_.store.read() as tx:
        drifted = drift.all_(tx)
        row = flow.find(tx, name)
        versions = rows.versions(tx, name)
    in_force = next((each.source for each in versions if each.version == row.published), None)
    told = _summary(row, in_force, drifted.get(name, ())) | {
        "source": source,
        "versions": [_describe(each) for each in versions],
    }
    if as_json:
        show_json(told)
        return
    state = f"v{row.published} is in force" if row.published else "nothing is in force"
    draft = "the draft differs from it" if row.published and told["has_changes"] else ""
    say("; ".join(filter(None, (f"{name}: {state}", draft, *told["troubles"]))))
    for each in versions:
        mark = "●" if each.version == row.published else " "
        parts = (f"  {mark} v{each.version}", f"{each.published_at:%Y-%m-%d %H:%M} UTC", each.note, each.by)
        say("  ".join(filter(None, parts)))
    say("")
    show_source(source, "toml")


@mappings.command("import")
@click.argument("what", nargs=-1, required=True, metavar="FILE|DIR...|shipped")
@click.option("--publish", "at_once", is_flag=True, help="Publish them as well.")
@note
def import_(what: tuple[str, ...], at_once: bool, note: str) -> None:
    """Store mapping files as drafts; `shipped` means the recipes that come with the connector.

    The name is the path below a folder called `mappings`: mappings/shopify/order_paid.toml is
    shopify/order_paid. Nothing is stored where one of them cannot be read as a mapping.

    \b
    Example:
      connector mappings import shipped
      connector mappings import mappings/shopify/order_paid.toml --publish
    """
    with_ = tools()
    found = read_files(what)
    _require_form(found)
    for each in found:
        with with_.store.read() as tx:
            before = rows.get(tx, each.name)
        if changed := flow.save(with_.store, each.name, each.source, by=_who()):
            enter("mapping.saved", each.name, "imported")
        over = f", over that of {before.draft_by}" if before is not None and before.draft_by else ""
        say_done(f"{each.name}: {f'the draft is stored{over}' if changed else 'the draft says this already'}.")
    if at_once:
        _publish(with_, [each.name for each in found], note)
    else:
        names = " ".join(each.name for each in found) if len(found) <= 3 else "NAME..."
        say_next(f"connector mappings publish {names}")


@mappings.command()
@click.argument("name")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="A file instead of the terminal.")
@click.option("--version", type=click.IntRange(1), help="A published version; else the draft.")
def export(name: str, output: Path | None, version: int | None) -> None:
    """Print the TOML of the mapping NAME, as it would be imported.

    \b
    Example:
      connector mappings export shopify/order_paid --output mappings/shopify/order_paid.toml
    """
    source = flow.text(tools().store, name, str(version or flow.DRAFT))
    if output is None:
        # Byte for byte, whatever the terminal is.
        sys.stdout.write(source)
        return
    try:
        output.write_text(source, encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}.") from None
    say_done(f"{name} is written to {output}.")


@mappings.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@note
def publish(names: tuple[str, ...], note: str) -> None:
    """Put the draft of NAME in force, as its next version; messages that wait keep the old one.

    \b
    Example:
      connector mappings publish shopify/order_paid --note "shorter greeting"
    """
    _publish(tools(), names, note)


@mappings.command()
@click.argument("name")
def unpublish(name: str) -> None:
    """Take the mapping NAME out of force; its versions stay.

    \b
    Example:
      connector mappings unpublish shopify/abandoned_checkout
    """
    if flow.unpublish(tools().store, name):
        enter("mapping.unpublished", name)
        say_done(f"{name} is no longer in force; what it has planned already is still sent.")
        say_next(f"connector mappings publish {name}, to put it in force again")
    else:
        say(f"{name} was not in force.")


@mappings.command()
@click.argument("name")
@click.argument("a", default=flow.PUBLISHED)
@click.argument("b", default=flow.DRAFT)
def diff(name: str, a: str, b: str) -> None:
    """Compare two texts of NAME: `draft`, `published`, or a version; without A and B, what publishing changes.

    \b
    Example:
      connector mappings diff shopify/order_paid 2 3
    """
    lines = flow.diff(tools().store, name, a, b)
    if not lines:
        say(f"{name}: {a} and {b} say the same.")
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        say(Text(line, style=style))


@mappings.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@note
def rollback(name: str, version: int, note: str) -> None:
    """Put the text of an older VERSION of NAME in force again, as a new version.

    \b
    Example:
      connector mappings rollback shopify/order_paid 2 --note "wrong link"
    """
    with_ = tools()
    number = flow.roll_back(
        with_.store, with_.registry, name, version, note=note, described=_described(with_), by=_who()
    )
    enter("mapping.rolled_back", name, note, version=number, to=version)
    say_done(f"{name} v{number} is in force; it says what v{version} said.")
    if flow.diff(with_.store, name):
        say(f"The draft differs from it: connector mappings diff {name}")
    say_next(f"connector mappings show {name}")


def _publish(with_: Wiring, names: Iterable[str], note: str) -> None:
    """Publish each that is sound; those that are not are told, and end the command with 1."""
    done, broken, described = 0, False, _described(with_)
    for name in names:
        try:
            published = flow.publish(with_.store, with_.registry, name, note=note, described=described, by=_who())
        except MappingError as error:
            broken = True
            _say_faults(name, error.faults)
            continue
        done += 1
        if published.is_new:
            enter("mapping.published", name, note, version=published.version)
        words = "is in force" if published.is_new else "is in force already and says the same"
        say_done(f"{name} v{published.version} {words}.")
    if done:
        say_next("what is in force is used from the next event on; see `connector messages`")
    if broken:
        click.get_current_context().exit(1)


def _who() -> str:
    """Return whose name versions and drafts carry that a command makes."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # a container's user may have no name
        return "command line"


def _described(with_: Wiring) -> flow.Described:
    return asker([found.account for found in with_.directory.all_()], with_.crm, say)


def _require_form(found: Sequence[MappingFile]) -> None:
    faults = [
        Fault(f"{each.where}: {fault.path}" if fault.path else each.where, fault.words)
        for each in found
        for fault in flow.find_form_faults(each.name, each.source)
    ]
    if faults:
        raise MappingError(faults)


def _say_faults(where: str, faults: Iterable[Fault]) -> None:
    for fault in faults:
        say(f"{where}: {fault}")


def _describe_faults(each: MappingFile, faults: Iterable[Fault]) -> dict[str, Any]:
    return {
        "name": each.name,
        "where": each.where,
        "faults": [{"path": fault.path, "words": fault.words} for fault in faults],
    }


def _summary(row: rows.MappingRow, in_force: str | None, drifted: Iterable[drift.Drift]) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": kind_of(row.draft),
        "published": row.published,
        "has_changes": row.draft != in_force,
        "updated_at": row.updated_at.isoformat(),
        "troubles": [each.words for each in drifted],
    }


def _describe(version: rows.VersionRow) -> dict[str, Any]:
    return {
        "version": version.version,
        "published_at": version.published_at.isoformat(),
        "note": version.note,
        "by": version.by,
        "templates": [
            {"account_id": use.account_id, "name": use.name, "language": use.language, "fingerprint": use.fingerprint}
            for use in version.templates
        ],
    }
