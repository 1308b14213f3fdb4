"""The stand-ins behind one address: Meta's Graph API, and where asked for a Salesforce org and a Shopify shop."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlencode

from connector.errors import ConfigurationError
from connector.sandbox.behaviour import Behaviour
from connector.sandbox.control import Control
from connector.sandbox.courier import Courier
from connector.sandbox.graph import Graph
from connector.sandbox.ledger import Ledger
from connector.sandbox.line import Line
from connector.sandbox.loopback import loopback_host, loopback_url
from connector.sandbox.talk import Said, Talk
from connector.sandbox.templates import Catalogue, read_templates
from connector.sandbox.transport import BODY_CAP as BODY_CAP
from connector.sandbox.transport import Answer, Call, listen

PHONE_NUMBER_ID = "100200300400500"
WABA_ID = "200300400500600"
GRAPH_VERSION = "v26.0"


class Tenant(Protocol):
    """Another vendor's stand-in at the same address; it has the paths below ``root`` and ``/_sandbox/<name>``."""

    root: str
    name: str

    def start(self) -> None:
        """Start posting what it posts by itself."""

    def close(self) -> None:
        """Stop posting."""

    def answer(self, call: Call) -> Answer:
        """Answer as the vendor would."""

    def control(self, call: Call) -> Answer:
        """Answer below ``/_sandbox/<name>``; ``call.path`` begins after that."""


class SandboxServer:
    """The stand-in as a context manager; ``port=0`` takes a free port.

    ``templates``: Meta's JSON of the templates it knows; None: those that come with the recipes.
    ``tenants``: other vendors' stand-ins that share the address (``SandboxOrg``, ``SandboxShop``).
    ``behaviour``: the fields of :class:`connector.sandbox.behaviour.Behaviour`; secrets as plain text.

    Raises ConfigurationError for an address or webhook URL that is not of this machine.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        templates: Sequence[Mapping[str, Any]] | None = None,
        waba_id: str = WABA_ID,
        phone_number_ids: Sequence[str] = (PHONE_NUMBER_ID,),
        tenants: Sequence[Tenant] = (),
        **behaviour: Any,
    ) -> None:
        loopback_host(host)
        self._behaviour = Behaviour().changed(behaviour)
        self.waba_id = waba_id
        self.phone_number_ids = tuple(phone_number_ids)
        self._started = False
        self._tenants = tuple(tenants)
        documents = read_templates() if templates is None else [dict(item) for item in templates]
        catalogue = Catalogue(documents)
        self._http = listen(host, port, lambda call: self.answer(call))
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._http.server_port}"
        """Where it listens, without a slash at the end."""
        self.graph_url = f"{self.url}/{GRAPH_VERSION}"
        """What an account's ``api_url`` is set to."""
        self._ledger = Ledger()
        self._courier = Courier(lambda: self._behaviour)
        self._talk = Talk(lambda: self._behaviour, self._courier)
        self._graph = Graph(
            lambda: self._behaviour, catalogue, self._courier, self._ledger, self._talk,
            waba_id=waba_id, phone_number_ids=phone_number_ids, base_url=self.url,
        )  # fmt: skip
        self._control = Control(
            lambda: self._behaviour, lambda changes: self.configure(**changes), self._graph, self._courier,
            self._ledger, self._talk,
        )  # fmt: skip
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="sandbox", daemon=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def start(self) -> None:
        """Start answering, and carrying receipts."""
        self._started = True
        self._courier.start()
        for tenant in self._tenants:
            tenant.start()
        self._thread.start()

    def close(self) -> None:
        """Stop: hang up on everybody; receipts that are still to come are forgotten."""
        if self._started:
            self._http.hang_up()
            self._http.shutdown()
            self._thread.join()
            self._courier.stop()
            for tenant in self._tenants:
                tenant.close()
            self._started = False
        self._http.server_close()

    def configure(self, **changes: Any) -> Behaviour:
        """Change the behaviour now; a new webhook URL with a verify token is asked to echo a challenge.

        Raises ConfigurationError.
        """
        behaviour = self._behaviour.changed(changes)
        if "webhook_url" in changes and behaviour.webhook_url and behaviour.verify_token:
            _shake_hands(behaviour)
        self._behaviour = behaviour
        return behaviour

    def stats(self) -> dict[str, Any]:
        """Return all counts, as ``GET /_sandbox/stats`` does."""
        return self._control.stats()

    def messages(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest messages, newest first, as ``GET /_sandbox/messages`` does."""
        return self._ledger.last(limit)

    def said(self) -> list[Said]:
        """Return what people did of their own accord, in the order of the messages that made them."""
        return self._talk.said()

    def mood(self, number: str) -> str:
        """Return what the person with this number is like: one of ``behaviour.MOODS``, or empty."""
        return self._talk.mood("".join(one for one in number if one.isdigit()))

    def speak(self, number: str, *, text: str = "", button: str = "", payload: str = "", preference: str = "") -> None:
        """Let a person write, tap, or set a preference now. Raises ConfigurationError."""
        told = {"from": number, "text": text, "button": button, "preference": preference}
        given = {name: value for name, value in told.items() if value}
        self._control.speak(given | ({"payload": payload} if payload else {}))

    def reset(self) -> None:
        """Forget messages, counts and pending receipts."""
        self._control.reset()

    def settled(self, timeout: float = 10.0) -> bool:
        """Wait until no receipt is pending; tell whether that came to be within ``timeout`` seconds."""
        return self._courier.settled(timeout)

    def answer(self, call: Call) -> Answer:
        """Answer a request without the transport."""
        if call.path[:1] == ["_sandbox"]:
            for tenant in self._tenants:
                if call.path[1:2] == [tenant.name]:
                    return tenant.control(dataclasses.replace(call, path=call.path[2:]))
            return self._control.answer(dataclasses.replace(call, path=call.path[1:]))
        for tenant in self._tenants:
            if call.path[:1] == [tenant.root]:
                return tenant.answer(call)
        return self._graph.answer(call)


def serve(server: SandboxServer, ready: Callable[[SandboxServer], None]) -> None:
    """Run until Ctrl-C or SIGTERM; ``ready`` is called once it answers."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with server:
            ready(server)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _shake_hands(behaviour: Behaviour) -> None:
    challenge = str(int.from_bytes(os.urandom(4), "big"))
    parts = loopback_url(behaviour.webhook_url)
    asked = urlencode(
        {
            "hub.mode": "subscribe",
            "hub.challenge": challenge,
            "hub.verify_token": behaviour.verify_token.reveal(),
        }
    )
    path = f"{parts.path or '/'}?{parts.query}{'&' if parts.query else ''}{asked}"
    try:
        with Line(behaviour.webhook_url) as line:
            status, body = line.ask("GET", path, None, {})
    except OSError:
        raise ConfigurationError("The webhook URL does not answer; is the connector running there?") from None
    if status != 200 or body != challenge.encode():
        raise ConfigurationError(
            f"The webhook URL did not echo the challenge (HTTP {status}); compare the verify token of the account."
        )
