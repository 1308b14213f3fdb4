"""Meta's template JSON as our Template: which slots it has, what they take, and how it looks.

Read from ``GET /{waba_id}/message_templates``, and from the JSON that creates a template (upper or lower
case words, without status), for trials without a network.

Slot keys: ``header.text`` or ``header.<name>``, ``header.image|video|document|filename``,
``header.latitude|longitude|name|address``, ``body.<number or name>``, ``offer.expires``,
``button.<index>.url|payload|code|token|data|product|sections``, and ``card.<index>.`` in front of those of a
carousel's card. Indexes count from 0, as Meta's do; a body's numbers from 1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from adapters.whatsapp.components import NAMED_HEADER
from adapters.whatsapp.notices import language_of
from adapters.whatsapp.pieces import pieces_of, text_of
from connector.errors import PayloadError
from connector.model import Category, Json, Part, Payload, Slot, SlotKind, Template, dig

HEADER_MOST, BODY_MOST, CARD_MOST, URL_MOST = 60, 1024, 160, 2000
"""Characters that Meta lets a header, a body, a card's body and a URL have once filled in."""
COUPON_MOST, OTP_MOST = 20, 15
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]{1,64})\s*\}\}")
_TAKEN = ("text", "image", "video", "document", "filename", "latitude", "longitude")
"""Keys under ``header.`` that mean something else than a variable."""
_NO_PARAMETER = (
    "VOICE_CALL",
    "REQUEST_CONTACT_INFO",
    "CALL_PERMISSION_REQUEST",
    "APP",
    "POSTBACK",
)


def read_templates(payload: Json) -> Iterator[Template]:
    """Read one template, or those under ``data``. Raises PayloadError with the template's name and what is wrong."""
    found = payload.get("data") if isinstance(payload, Mapping) and "data" in payload else [payload]
    if isinstance(found, Mapping):
        found = [found]
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise PayloadError('"data" must hold a list of templates.')
    for template in found:
        yield read_template(template)


def read_template(payload: Json) -> Template:
    """Read one template. Raises PayloadError."""
    name, language = text_of(payload, "name"), language_of(text_of(payload, "language", "language.code"))
    if not isinstance(payload, Mapping) or not name:
        raise PayloadError('A template must be a JSON object with a "name".')
    try:
        category = Category(text_of(payload, "category").lower())
    except ValueError:
        raise PayloadError(f'Template {name}: "category" must be MARKETING, UTILITY or AUTHENTICATION.') from None
    if not language:
        raise PayloadError(f'Template {name}: "language" is missing, such as en_US.')
    positional = text_of(payload, "parameter_format").upper() == "POSITIONAL"
    reading = _Reading(name, category is Category.AUTHENTICATION, positional)
    reading.bubble(payload.get("components"), "")
    if not any(part.kind == "body" for part in reading.parts):
        raise PayloadError(f'Template {name}: "components" must hold a BODY.')
    return Template(
        name=name,
        language=language,
        category=category,
        # The JSON that creates a template has no status: what is imported for a trial counts as approved.
        status=text_of(payload, "status").lower() or "approved",
        slots=tuple(reading.slots),
        parts=tuple(reading.parts),
        budget=tuple(reading.budget),
        remote_id=text_of(payload, "id"),
        quality=text_of(payload, "quality_score.score", "quality_score").lower(),
        reason=text_of(payload, "rejected_reason").replace("NONE", "").lower(),
    )


@dataclass
class _Reading:
    """A template being read; ``at`` is ``""``, or ``card.0.`` inside a card."""

    name: str
    authentication: bool
    positional: bool
    slots: list[Slot] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    budget: list[tuple[str, int]] = field(default_factory=list)

    def bubble(self, components: Json, at: str) -> None:
        """Read the components of a message or of a card."""
        readers = {
            "HEADER": self.header, "BODY": self.body, "FOOTER": self.footer, "BUTTONS": self.buttons,
            "LIMITED_TIME_OFFER": self.offer, "CAROUSEL": self.carousel,
        }  # fmt: skip
        if not isinstance(components, Sequence) or isinstance(components, str):
            raise self.fault(f'"{at}components" must be a list')
        seen: set[str] = set()
        for piece in components:
            kind = text_of(piece, "type").upper()
            if not isinstance(piece, Mapping) or kind not in readers:
                raise self.fault(f"a component of type {kind or 'none'} is not known here")
            if kind in seen:
                raise self.fault(f"there are two components of type {kind}")
            seen.add(kind)
            readers[kind](piece, at)

    def header(self, piece: Payload, at: str) -> None:
        """One variable in a text, or media, or a place."""
        kind, key = (text_of(piece, "format") or "TEXT").upper(), f"{at}header"
        sample = text_of(piece, "example.header_handle[0]", "example.header_url[0]")
        if kind in ("IMAGE", "VIDEO", "DOCUMENT"):
            self.slots.append(Slot(key=f"{key}.{kind.lower()}", kind=SlotKind.MEDIA, example=sample))
            if kind == "DOCUMENT":
                self.slots.append(Slot(key=f"{key}.filename", required=False, limit=240))
            self.parts.append(Part(kind="header", text="", prefix=key, media=kind.lower()))
        elif kind == "LOCATION":
            for name in ("latitude", "longitude"):
                self.slots.append(Slot(key=f"{key}.{name}", kind=SlotKind.NUMBER))
            self.slots += [Slot(key=f"{key}.name"), Slot(key=f"{key}.address")]
            self.parts.append(Part(kind="header", text="", prefix=key, media="location"))
        elif kind == "TEXT":
            self.header_text(piece, key)
        else:
            raise self.fault(f"a header of format {kind} cannot be sent from here")

    def header_text(self, piece: Payload, key: str) -> None:
        """A header's text has at most one variable."""
        text, names, fixed = self.variables(piece)
        if len(names) > 1:
            raise self.fault("a header takes one variable")
        tail = ""
        for name in names:
            tail = "text" if name.isdigit() else f"{NAMED_HEADER}{name}" if name in _TAKEN else name
            sample = text_of(piece, "example.header_text[0]", "example.header_text_named_params[0].example")
            self.slots.append(Slot(key=f"{key}.{tail}", limit=max(HEADER_MOST - fixed, 0), example=sample))
        self.parts.append(
            Part(kind="header", text=_VARIABLE.sub(f"{{{{{tail}}}}}", text) if tail else text, prefix=key)
        )

    def body(self, piece: Payload, at: str) -> None:
        """The text, with its variables by number or by name; of an authentication template, the code."""
        text, names, fixed = self.variables(piece)
        key = f"{at}body"
        if self.authentication:
            text, names = text or "*{{1}}* is your verification code.", ["1"]
        samples = self.samples(piece)
        for place, name in enumerate(names):
            sample = samples.get(name) or samples.get(str(place + 1), "")
            kind, limit = (SlotKind.CODE, OTP_MOST) if self.authentication else (SlotKind.TEXT, None)
            self.slots.append(Slot(key=f"{key}.{name}", kind=kind, limit=limit, example=sample))
        if names:
            self.budget.append((key, max((CARD_MOST if at else BODY_MOST) - fixed, 0)))
        self.parts.append(Part(kind="body", text=text, prefix=key))

    def footer(self, piece: Payload, at: str) -> None:
        """Fixed text; Meta writes the one about a code's life itself."""
        minutes = text_of(piece, "code_expiration_minutes")
        text = text_of(piece, "text") or (f"This code expires in {minutes} minutes." if minutes else "")
        self.parts.append(Part(kind="footer", text=text, prefix=f"{at}footer"))

    def offer(self, piece: Payload, at: str) -> None:
        """A limited-time offer, which may have an end."""
        self.parts.append(
            Part(kind="body", text=text_of(piece, "limited_time_offer.text", "text"), prefix=f"{at}offer")
        )
        if dig(piece, "limited_time_offer.has_expiration") is not False:
            # Milliseconds since 1970.
            self.slots.append(Slot(key=f"{at}offer.expires", kind=SlotKind.NUMBER))

    def carousel(self, piece: Payload, at: str) -> None:
        """Two to ten cards, each with a header, a body and buttons of its own."""
        for index, card in enumerate(pieces_of(piece, "cards")):
            self.bubble(dig(card, "components"), f"{at}card.{index}.")

    def buttons(self, piece: Payload, at: str) -> None:
        """Buttons count from 0 over all their types."""
        for index, button in enumerate(pieces_of(piece, "buttons")):
            self.button(button, f"{at}button.{index}")

    def button(self, piece: Json, key: str) -> None:
        """A button's label, and what it takes."""
        kind, label = text_of(piece, "type").upper(), text_of(piece, "text")
        sample = text_of(piece, "example", "example[0]")
        if kind == "OTP" or (self.authentication and kind == "URL"):
            pass  # takes the body's code, which is written twice when it is sent
        elif kind == "URL":
            label = self.link(piece, key, label, sample)
        elif kind == "PHONE_NUMBER":
            number = text_of(piece, "phone_number")
            label = f"{label} → tel:{number}" if number else label
        elif kind == "QUICK_REPLY":
            self.slots.append(Slot(key=f"{key}.payload", kind=SlotKind.PAYLOAD, required=False))
        elif kind == "COPY_CODE":
            label = label or "Copy code"
            self.slots.append(Slot(key=f"{key}.code", kind=SlotKind.CODE, limit=COUPON_MOST, example=sample))
        elif kind == "FLOW":
            self.slots.append(Slot(key=f"{key}.token", kind=SlotKind.PAYLOAD))
            self.slots.append(Slot(key=f"{key}.data", kind=SlotKind.JSON, required=False))
        elif kind in ("CATALOG", "MPM"):
            self.slots.append(Slot(key=f"{key}.product", required=kind == "MPM"))
            if kind == "MPM":
                self.slots.append(Slot(key=f"{key}.sections", kind=SlotKind.JSON))
        elif kind not in _NO_PARAMETER:
            raise self.fault(f"a button of type {kind or 'none'} is not known here")
        self.parts.append(Part(kind="button", text=label, prefix=key))

    def link(self, piece: Json, key: str, label: str, sample: str) -> str:
        """A URL whose end may be a variable; its address is shown beside the label."""
        url = text_of(piece, "url")
        fixed = _VARIABLE.sub("", url)
        if fixed != url:
            self.slots.append(
                Slot(
                    key=f"{key}.url",
                    kind=SlotKind.URL_SUFFIX,
                    limit=max(URL_MOST - len(fixed), 0),
                    example=sample.removeprefix(fixed),
                )
            )
        return f"{label} → {_VARIABLE.sub('{{url}}', url)}" if url else label

    def variables(self, piece: Payload) -> tuple[str, list[str], int]:
        """Return a text, the names of its variables, each once, and how long the fixed rest is."""
        text = text_of(piece, "text")
        names = [name for name in _VARIABLE.findall(text) if name.isdigit() or not self.positional]
        unique = list(dict.fromkeys(names))
        if unique and all(name.isdigit() for name in unique):
            unique.sort(key=int)
        fixed = _VARIABLE.sub(lambda match: "" if match[1] in unique else match[0], text)
        return text, unique, len(fixed)

    def samples(self, piece: Payload) -> dict[str, str]:
        """Return Meta's examples for a body, by the variable's name or number."""
        found = {
            text_of(entry, "param_name"): text_of(entry, "example")
            for entry in pieces_of(dig(piece, "example"), "body_text_named_params")
        }
        row = dig(piece, "example.body_text[0]")
        if not isinstance(row, Sequence) or isinstance(row, str):
            row = list(pieces_of(dig(piece, "example"), "body_text"))
        return found | {str(place): str(text) for place, text in enumerate(row, 1)}

    def fault(self, words: str) -> PayloadError:
        """Return the error that says what is wrong with this template."""
        return PayloadError(f"Template {self.name}: {words}.")
