"""Import and export of mappings as the files of the command line, byte for byte."""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError, MappingError
from connector.flow import exchange, publish
from connector.flow.exchange import Arriving, File
from connector.model import Permission
from connector.store import mappings
from connector.store.mappings import Conflict
from connector.web.console.frame import actor, console, needs, record, refuse, say, store, tools


@console.get("/mappings/export")
@needs(Permission.LOOK)
def export_mappings() -> AnyResponse:
    """Give every draft as a file, in one archive."""
    with store().read() as tx:
        rows = mappings.all_(tx)
    body = exchange.pack(File(name=row.name, source=row.draft) for row in rows)
    record("mapping.exported", "", f"{len(rows)} drafts")
    return _download(body, "mappings.zip", "application/zip")


@console.get("/mappings/<path:name>/export")
@needs(Permission.LOOK)
def export_mapping(name: str) -> AnyResponse:
    """Give one text of a mapping as a file: the draft, or a version."""
    version = request.args.get("version", publish.DRAFT)[:12]
    try:
        source = publish.text(store(), name, version)
    except ConfigurationError as error:
        return refuse(404, "There is no such text", str(error))
    return _download(source.encode(), f"{name.rpartition('/')[2]}.toml", "application/toml")


@console.get("/mappings/import")
@needs(Permission.EDIT_MAPPINGS)
def import_mappings() -> str:
    """Ask for files, or for a text."""
    return _draw()


@console.post("/mappings/import")
@needs(Permission.EDIT_MAPPINGS)
def look_at_import() -> AnyResponse | str:
    """Show what importing would mean; nothing is stored yet."""
    try:
        found = exchange.look(store(), list(_given()))
        if not found:
            raise ConfigurationError("Choose a file, or paste a text.")
        _refuse_rates(each.file.name for each in found)
    except ConfigurationError as error:
        return make_response(_draw(str(error)), 422)
    return make_response(_draw(found=found), 422 if any(each.faults for each in found) else 200)


@console.post("/mappings/import/take")
@needs(Permission.EDIT_MAPPINGS)
def take_import() -> AnyResponse | str:
    """Store what was looked at, as drafts."""
    try:
        files = list(_carried())
        _refuse_rates(each.name for each, _ in files)
        changed = exchange.take(store(), files, actor().name)
    except Conflict as conflict:
        return make_response(_draw(f"Nothing was imported. {conflict}"), 409)
    except (MappingError, ConfigurationError) as error:
        return make_response(_draw(f"Nothing was imported. {error}"), 422)
    for name in changed:
        record("mapping.saved", name, "imported")
    what = "1 draft is" if len(changed) == 1 else f"{len(changed)} drafts are"
    say(f"{what} changed, of {len(files)}; nothing is in force by it yet.")
    if len(files) == 1:
        return redirect(url_for("console.mapping", name=files[0][0].name), 303)
    return redirect(url_for("console.all_mappings"), 303)


def _refuse_rates(names: Iterable[str]) -> None:
    for name in names:
        if not actor().may(publish.takes(Permission.EDIT_MAPPINGS, name)):
            raise ConfigurationError(f"{name} is changed by admins alone; leave it out.")


def _given() -> Iterator[File]:
    for upload in request.files.getlist("files"):
        if upload.filename:
            body = upload.stream.read(exchange.MOST_BYTES + 1)
            yield from exchange.place(store(), exchange.unpack(upload.filename, body))
    text = request.form.get("text", "")
    if text.strip():
        yield File(name=request.form.get("name", "").strip()[:101], source=text.replace("\r\n", "\n"))


def _carried() -> Iterator[tuple[File, int]]:
    names, texts = request.form.getlist("name"), request.form.getlist("source")
    for name, text, revision in zip(names, texts, request.form.getlist("revision"), strict=False):
        try:
            body = b64decode(text, validate=True)
        except (NotBase64, ValueError):
            raise ConfigurationError("This is not the form of the page before.") from None
        number = int(revision) if revision.isascii() and revision.isdigit() and len(revision) < 10 else 0
        yield File(name=name, source=exchange.decode(body, name)), number


def _draw(trouble: str = "", found: list[Arriving] | None = None) -> str:
    carried = {each.file.name: b64encode(each.file.source.encode()).decode() for each in found or ()}
    sound = bool(found) and not any(each.faults for each in found or ())
    later = {
        each.file.name: publish.find_faults(store(), tools().registry, each.file.name, each.file.source)
        for each in found or ()
    }
    return render_template(
        "console/mapping_import.html", trouble=trouble, found=found or [], carried=carried, sound=sound, later=later,
        given=request.form,
    )  # fmt: skip


def _download(body: bytes, name: str, kind: str) -> AnyResponse:
    answer = make_response(body)
    answer.headers["Content-Type"] = kind
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer
