"""Keys of the API: made here, shown once, revoked at once."""

from __future__ import annotations

from datetime import timedelta

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import keys
from connector.model import GRANTS, Permission, now
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools

LASTS = {"": "Until it is revoked", "30": "30 days", "90": "90 days", "365": "A year"}
_ID = 26


@console.get("/keys")
@needs(Permission.EDIT_TEAM)
def keys_page() -> str:
    """List keys, and offer to make one."""
    return _draw()


@console.post("/keys")
@needs(Permission.EDIT_TEAM)
def make_key() -> str | tuple[str, int]:
    """Make a key and show it, this once."""
    days = request.form.get("lasts", "")
    until = now() + timedelta(days=int(days)) if days in LASTS and days else None
    chosen = [item for item in keys.OFFERED if item.value in request.form.getlist("scope")]
    who = actor()
    try:
        made = keys.make(
            store(), request.form.get("name", "")[:200], chosen, may=GRANTS[who.role], by=who.id, by_name=who.name,
            expires_at=until,
        )  # fmt: skip
    except ConfigurationError as error:
        return _draw(fault=str(error), chosen=tuple(item.value for item in chosen)), 400
    record("key.made", made.row.id, f"The API key {made.row.name}.", scopes=sorted(made.row.scopes))
    return render_template(
        "console/secret.html", title="The new API key", secret=made.token.reveal(), back=url_for("console.keys_page"),
        words=f"{made.row.name} may {', '.join(sorted(made.row.scopes)).replace('_', ' ')}.",
        sample=f"curl {tools().settings.public_url}/api/v1/me -H 'Authorization: Bearer {made.token.reveal()}'",
    )  # fmt: skip


@console.post("/keys/<id_>/revoke")
@needs(Permission.EDIT_TEAM)
def revoke_key(id_: str) -> AnyResponse:
    """Let a key open nothing any more."""
    try:
        row = keys.revoke(store(), id_[:_ID])
    except ConfigurationError:
        return missing("API key")
    record("key.revoked", row.id, f"The API key {row.name}.")
    say(f"The key {row.name} opens nothing any more.")
    return redirect(url_for("console.keys_page"), 303)


def _draw(fault: str = "", chosen: tuple[str, ...] = ("look",)) -> str:
    at = now()
    rows = [(row, keys.state_of(row, at)) for row in keys.list_all(store())]
    name = request.form.get("name", "")[:200]
    scopes = [(item, keys.MEANING[item]) for item in keys.OFFERED if actor().may(item)]
    return render_template(
        "console/keys.html", rows=rows, scopes=scopes, lasts=LASTS, fault=fault, chosen=chosen, name=name,
        given=request.form.get("lasts", "90"),
    )  # fmt: skip
