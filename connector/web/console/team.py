"""The team: who may do what, who is invited, what is asked of everybody's sign-in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import entry, team
from connector.flow.team import TeamError
from connector.model import Permission, Role, now
from connector.store import invitations, sessions, users
from connector.store.users import UserRow
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools

WORDS = {
    Role.OWNER: "Everything, and the team: invites people, says what they may do, makes API keys, reads the audit log.",
    Role.ADMIN: "Connects accounts, replays, changes consent, exports and erases people; all that an editor may.",
    Role.EDITOR: "Edits and publishes mappings; sees names, numbers and messages whole.",
    Role.VIEWER: "Sees every page, with personal data masked.",
}
POLICIES = {"nobody": "Nobody must", "admins": "Owners and admins must", "all": "Everybody must"}


@console.get("/team")
@needs(Permission.EDIT_TEAM)
def team_page() -> str:
    """Show who is in the team, who is invited, and what is asked of sign-ins."""
    return _draw()


@console.post("/team/invitations")
@needs(Permission.EDIT_TEAM)
def invite() -> str | tuple[str, int]:
    """Make an invitation, and show its link: this once. We send no e-mail."""
    given = {"email": request.form.get("email", "")[:300], "role": request.form.get("role", "")}
    try:
        if given["role"] not in tuple(Role):
            raise TeamError("Say what they may do.")
        row, word = team.invite(store(), given["email"], Role(given["role"]), actor().id)
    except TeamError as error:
        return _draw(error, given), 400
    record("user.invited", row.id, row.role.value)
    return _show_link(f"/invitation/{word}", f"Invitation for {row.email}", "It is good once, for 7 days.")


@console.post("/team/invitations/<id_>/revoke")
@needs(Permission.EDIT_TEAM)
def revoke_invitation(id_: str) -> AnyResponse:
    """Take an invitation back."""
    if team.revoke(store(), id_[:26]):
        record("user.invitation_revoked", id_[:26])
        say("The invitation is taken back: its link lets nobody in.")
    return redirect(url_for("console.team_page"), 303)


@console.post("/team/policy")
@needs(Permission.EDIT_TEAM)
def change_policy() -> AnyResponse | tuple[str, int]:
    """Say who must have a second factor."""
    word = request.form.get("policy", "")
    try:
        team.set_policy(store(), word)
    except TeamError as error:
        return _draw(error), 400
    record("policy.second_factor", words=word)
    say(f"{POLICIES[word]} have a second factor.")
    return redirect(url_for("console.team_page"), 303)


@console.get("/team/<id_>")
@needs(Permission.EDIT_TEAM)
def teammate(id_: str) -> str | AnyResponse:
    """Show one of the team: what they may do, where they are signed in."""
    return _draw_one(id_)


@console.post("/team/<id_>/role")
@needs(Permission.EDIT_TEAM)
def change_role(id_: str) -> str | AnyResponse:
    """Make somebody something else."""
    word = request.form.get("role", "")

    def change() -> str:
        if word not in tuple(Role):
            raise TeamError("Say what they may do.")
        before = team.set_role(store(), id_, Role(word)).role
        if before != word:
            record("user.role_changed", id_, f"{before} to {word}")
        return f"From now on: {word}."

    return _try(id_, change)


@console.post("/team/<id_>/active")
@needs(Permission.EDIT_TEAM)
def change_active(id_: str) -> str | AnyResponse:
    """Let somebody in no longer, or again."""
    active = request.form.get("active") == "yes"

    def change() -> str:
        team.set_active(store(), id_, active=active)
        record("user.enabled" if active else "user.disabled", id_)
        return "They may sign in again." if active else "They are let in no longer, and their sessions are over."

    return _try(id_, change)


@console.post("/team/<id_>/link")
@needs(Permission.EDIT_TEAM)
def make_link(id_: str) -> str | AnyResponse:
    """Make a link that signs somebody in who forgot the password, and show it: this once."""
    row = _find(id_)
    if row is None:
        return missing("user")
    try:
        word = team.make_link(store(), row.id)
    except TeamError as error:
        return _draw_one(id_, error)
    record("user.link_made", row.id)
    words = (
        "It lets them in once, within 15 minutes, and they choose a new password. A second factor is still asked for."
    )
    return _show_link(f"/sign-in/link/{word}", f"Sign-in link for {row.name}", words)


@console.post("/team/<id_>/second-factor/reset")
@needs(Permission.EDIT_TEAM)
def reset_second_factor(id_: str) -> str | AnyResponse:
    """Take the second factor from somebody who lost the phone."""

    def change() -> str:
        team.reset_second_factor(store(), id_)
        record("user.second_factor_reset", id_)
        return "They sign in with the password alone until they set up a second factor again."

    return _try(id_, change)


@console.post("/team/<id_>/sessions/<session_id>/end")
@needs(Permission.EDIT_TEAM)
def end_session(id_: str, session_id: str) -> AnyResponse:
    """End a session of somebody."""
    with store().write() as tx:
        ended = sessions.end(tx, session_id[:26], id_)
    if ended is not None:
        record("user.session_ended", id_, session=ended.id)
        say("The session is over.")
    return redirect(url_for("console.teammate", id_=id_), 303)


def _try(id_: str, change: Callable[[], str]) -> str | AnyResponse:
    """Change somebody, and say what was done, or why not."""
    if _find(id_) is None:
        return missing("user")
    try:
        say(change())
    except TeamError as error:
        say(str(error), "fail")
    return redirect(url_for("console.teammate", id_=id_), 303)


def _find(id_: str) -> UserRow | None:
    with store().read() as tx:
        return users.get(tx, id_[:26])


def _draw(fault: TeamError | None = None, given: dict[str, str] | None = None) -> str:
    at = now()
    with store().read() as tx:
        people, second = users.all_(tx), users.second_factors(tx)
        open_ = [each for each in sessions.all_(tx, 5000) if not entry.is_over(each, at)]
        asked, policy = invitations.all_(tx), team.policy(tx)
    return render_template(
        "console/team.html", people=people, second=second, asked=asked, policy=policy, policies=POLICIES, now=at,
        signed_in={each.user_id for each in open_}, roles=WORDS, fault=fault, given=given or {},
        asks={row.id for row in people if row.role in team.POLICIES[policy]},
        names={row.id: row.name for row in people} | {"command": "command line"},
    )  # fmt: skip


def _draw_one(id_: str, fault: TeamError | None = None) -> str | AnyResponse:
    at = now()
    with store().read() as tx:
        row = users.get(tx, id_[:26])
        mine = [each for each in sessions.of(tx, id_[:26]) if not entry.is_over(each, at)]
        keys = len(users.passkeys(tx, id_[:26]))
    if row is None:
        return missing("user")
    shown: dict[str, Any] = {"row": row, "sessions": mine, "passkeys": keys, "roles": WORDS, "fault": fault}
    return render_template("console/teammate.html", is_me=row.id == actor().id, **shown)


def _show_link(path: str, title: str, words: str) -> str:
    return render_template("console/team_link.html", url=tools().settings.public_url + path, title=title, words=words)
