"""Letting a vendor's user allow us in: ``/authorize/<account>/start`` sends them there, ``callback`` takes them back.

The start is for those who may change accounts. The way back comes from the vendor, and that
cookie does not travel with it: it is proven by state and browser (:mod:`connector.flow.authorization`)
before anything else is looked at. Whatever goes wrong is told in plain words with 400.
"""

from __future__ import annotations

from flask import Blueprint, current_app, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.contract import Authorizer
from connector.errors import ConnectorError, RemoteError
from connector.flow import authorization
from connector.log import get
from connector.model import Permission
from connector.web.console.frame import guard, needs, record
from connector.wiring import Reached, Wiring

COOKIE = "connector_authorize"
MOST_QUERY = 8192
MOST_PARAMS = 50
_AGAIN = "Begin again with the button of the account's page, and finish within ten minutes."

authorize = Blueprint("authorize", __name__, url_prefix="/authorize", template_folder="templates")
log = get(__name__)


@authorize.before_request
def protect() -> AnyResponse | None:
    """Let who may change accounts begin; whoever comes back must prove it in another way."""
    return None if request.endpoint == "authorize.callback" else guard()


@authorize.get("/<name>/start")
@needs(Permission.EDIT_ACCOUNTS)
def start(name: str) -> AnyResponse:
    """Send the operator to the vendor."""
    tools = _tools()
    found, authorizer = _find(tools, name)
    if found is None or authorizer is None:
        return _fail("There is no account of this name that is authorized in this way.", "", 404)
    redirect_url = tools.settings.authorize_url(name, "callback")
    try:
        url, word = authorization.begin(tools.store, found.account, authorizer, redirect_url)
    except ConnectorError as error:
        fix = error.advice if isinstance(error, RemoteError) else "Correct the account's settings."
        return _fail(str(error), fix, name=name)
    except Exception:  # an adapter's bug shall be told as one
        log.exception("authorization.failed", account=name)
        return _fail("The adapter failed; the log says where.", "Report it.", name=name)
    record("account.authorization_begun", name, f"Went to {found.adapter.title} to let {name} in.")
    answer = redirect(url, 303)
    answer.set_cookie(
        COOKIE,
        word,
        max_age=int(authorization.LASTS.total_seconds()),
        path=f"/authorize/{name}/",
        secure=tools.settings.public_url.startswith("https:"),
        httponly=True,
        samesite="Lax",  # the way back begins at the vendor
    )
    return answer


@authorize.get("/<name>/callback")
def callback(name: str) -> AnyResponse:
    """Take back whom the vendor returns, and keep the token that comes of it."""
    tools = _tools()
    params = _params()
    word = request.cookies.get(COOKIE, "")[:200]
    if params is None or not params.get("state") or not word:
        return _fail("This browser did not begin an authorization here, or it is over.", _AGAIN)
    found, authorizer = _find(tools, name)
    if found is None or authorizer is None:
        return _fail("This browser did not begin an authorization here, or it is over.", _AGAIN)
    if not authorization.redeem(tools.store, found.account.id, params["state"], word):
        return _fail("This browser did not begin an authorization here, or it is over.", _AGAIN)
    redirect_url = tools.settings.authorize_url(name, "callback")
    try:
        kit = tools.kit(found.account.id)
        grant = authorizer.complete(found.account.settings, kit, params=params, redirect_url=redirect_url)
        kit.tokens.keep(grant)
    except ConnectorError as error:
        log.warning("authorization.refused", account=name, words=str(error))
        fix = error.advice if isinstance(error, RemoteError) else _AGAIN
        return _forget(name, _fail(str(error), fix, name=name))
    except Exception:  # what a vendor or a stranger sends must not show as a fault of ours
        log.exception("authorization.failed", account=name)
        return _forget(name, _fail("The adapter failed; the log says where.", "Report it."))
    log.info("authorization.kept", account=name)
    title = f"{found.adapter.title} has let {name} in"
    words = "The token is stored, encrypted. Check the connection on the account's page."
    page = render_template("console/authorize.html", title=title, words=words, fix="", name=name)
    return _forget(name, make_response(page))


def _find(tools: Wiring, name: str) -> tuple[Reached | None, Authorizer | None]:
    found = next((item for item in tools.directory.all_() if item.account.name == name), None)
    return found, found.adapter.authorizer if found else None


def _params() -> dict[str, str] | None:
    """Return what came back; None where it is too much, or ambiguous."""
    if len(request.query_string) > MOST_QUERY or request.query_string.count(b"&") >= MOST_PARAMS:
        return None
    found = request.args.to_dict(flat=False)
    if any(len(values) != 1 for values in found.values()):
        return None
    return {key: values[0] for key, values in found.items()}


def _fail(words: str, fix: str, status: int = 400, *, name: str = "") -> AnyResponse:
    page = render_template("console/authorize.html", title="Not authorized", words=words, fix=fix, name=name)
    return make_response(page, status)


def _forget(name: str, answer: AnyResponse) -> AnyResponse:
    answer.delete_cookie(COOKIE, path=f"/authorize/{name}/")
    return answer


def _tools() -> Wiring:
    tools: Wiring = current_app.extensions["connector"]
    return tools
