"""The API fails for a while, in every way that an API can."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from connector.sandbox.deliveries import Mix
from connector.sandbox.graph import Answer, Call
from tests.stories.conftest import OpenStage
from tests.stories.kit import is_send

WAYS = ("500", "503 and not carried out", "503 but carried out", "cut and not carried out", "cut but carried out")


class Outage:
    """The first so many sends meet five kinds of trouble, in turn."""

    def __init__(self, sends: int) -> None:
        self.sends = sends
        self.met: Counter[str] = Counter()
        self._turns = itertools.cycle(WAYS)
        self._lock = threading.Lock()

    def __call__(self, call: Call, usual: Callable[[Call], Answer]) -> Answer:
        if not is_send(call):
            return usual(call)
        with self._lock:
            if self.met.total() == self.sends:
                return usual(call)
            way = next(self._turns)
            self.met[way] += 1
        match way:
            case "500":
                return Answer(status=500, body=b'{"error":{"code":131000,"message":"Something went wrong"}}')
            case "503 and not carried out":
                return Answer(status=503)
            case "503 but carried out":
                usual(call)
                return Answer(status=503)
            case "cut and not carried out":
                return Answer(cut=True)
            case _:
                return replace(usual(call), cut=True)


def test_an_api_that_fails_for_a_while_loses_nothing_and_doubles_nothing(open_stage: OpenStage) -> None:
    stage = open_stage(error_rate=1.0).set_up(in_doubt_seconds=30)
    stage.run("--workers", "1")
    assert stage.post(Mix(total=20), seed=1).ok
    stage.until("all were refused", lambda: stage.whatsapp.stats()["refused"].get("131000", 0) >= 20)
    outage = stage.whatsapp.mood = Outage(30)
    stage.whatsapp.configure(error_rate=0.0)
    assert stage.post(Mix(total=40), seed=2, rate=40).ok
    stage.audit(60)
    assert outage.met == dict.fromkeys(WAYS, 6)
