"""Which browser this is: a cookie, signed by us, that a browser gets when somebody has signed in by it.

It opens nothing. It only lets tries at the door be counted apart from those of strangers, as OWASP describes it
(Slow down online guessing attacks with device cookies), so that nobody can shut the door for those who live there.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Response, after_this_request, current_app, request
from itsdangerous import BadData, URLSafeTimedSerializer

COOKIE = "connector_known"
LASTS = 365 * 24 * 3600
"""Seconds."""
MOST_USERS = 5
"""Of one browser; who signed in by it the longest ago goes first."""
PATH = "/sign-in"


def known() -> tuple[str, list[str]]:
    """Return which browser this is, and the ids of those who have signed in by it; nothing where it proves nothing."""
    try:
        told: Any = _seal().loads(request.cookies.get(COOKIE, "")[:2000], max_age=LASTS)
    except BadData:
        return "", []
    return str(told["browser"]), [str(each) for each in told["users"]]


def remember(user_id: str) -> None:
    """Let this browser prove from now on that this user has signed in by it."""
    browser, users = known()
    users = [user_id, *(each for each in users if each != user_id)][:MOST_USERS]
    value = _seal().dumps({"browser": browser or secrets.token_urlsafe(16), "users": users})

    @after_this_request
    def send(answer: Response) -> Response:
        secure = current_app.session_interface.get_cookie_secure(current_app)
        answer.set_cookie(COOKIE, value, LASTS, path=PATH, secure=secure, httponly=True, samesite="Lax")
        return answer


def _seal() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.secret_key or b"", salt="known browser")
