"""The doctor at the press of a button, and the fields that a vendor describes: what asks a vendor, with patience."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError, RemoteError
from connector.flow import accounts, fields
from connector.flow.doctoring import PATIENCE
from connector.flow.fields import Described, objects_of
from connector.model import Permission
from connector.web.console.accounts import find
from connector.web.console.frame import console, missing, needs, record, say, store, tools
from connector.wiring import Wiring

_asking = ThreadPoolExecutor(max_workers=4, thread_name_prefix="fields")


@console.post("/accounts/<name>/check")
@needs(Permission.EDIT_ACCOUNTS)
def check_account(name: str) -> AnyResponse:
    """Send the doctor to an account and wait for a while."""
    try:
        url = tools().settings.webhook_url(accounts.find(store(), name).token)
        report = tools().practice.examine(name, url)
    except ConfigurationError:
        return missing("account")
    tools().directory.forget()  # the doctor resumes what is well again
    record("account.checked", name, f"Checked {name}.", ok=report.ok if report else None)
    if report is None:
        say(f"The vendor takes its time: the doctor is still at {name}. What is found will stand here.", "warn")
    elif report.ok:
        say(f"Nothing is wrong with {name}.")
    else:
        wrong = len(report.wrong)
        say(
            f"{wrong} {'thing needs' if wrong == 1 else 'things need'} you at {name}; each line says what to do.",
            "fail",
        )
    return redirect(url_for("console.account", name=name, _anchor="doctor"), 303)


@console.get("/accounts/<name>/fields")
@needs(Permission.LOOK)
def account_fields(name: str) -> str | AnyResponse:
    """Show which fields the records of a shop or CRM have: as the vendor describes them, where it can be asked."""
    found = find(name)
    if found is None or found.adapter is None or found.adapter.crm is None:
        return missing("account")
    objects = objects_of(found.adapter)
    wanted = request.args.get("object", "")
    object_ = wanted if wanted in objects else objects[0] if objects else ""
    described, fault, advice = None, "", ""
    try:
        described = _asking.submit(_describe, tools(), name, object_).result(PATIENCE)
    except TooLong:
        fault = "The vendor takes too long to answer. Try again in a moment."
    except RemoteError as error:
        fault, advice = error.words, error.advice
    except ConfigurationError as error:
        fault = str(error)
    return render_template(
        "console/account_fields.html", it=found, objects=objects, object_=object_, described=described, fault=fault,
        advice=advice,
    )  # fmt: skip


def _describe(with_: Wiring, name: str, object_: str) -> Described:
    row = accounts.find(with_.store, name)
    crm = with_.crm(row.id)
    return fields.describe(with_.registry.get(row.adapter), crm[1] if crm else None, object_)
