"""Every message is held against its template, with Meta's codes."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sandbox.approved import fill
from connector.sandbox.refusal import GraphError


def template(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": "t", "components": list(parts), **more}


def body(*texts: Any, **named: str) -> dict[str, Any]:
    given = [{"type": "text", "text": text} for text in texts]
    given += [{"type": "text", "parameter_name": name, "text": text} for name, text in named.items()]
    return {"type": "body", "parameters": given}


def button(index: Any, sub_type: str, **parameter: Any) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": index, "parameters": [parameter]}


def header(**parameter: Any) -> dict[str, Any]:
    return {"type": "header", "parameters": [parameter]}


BODY = {"type": "BODY", "text": "Hi {{1}}, {{2}}!"}
PLAIN = {"type": "BODY", "text": "Hi."}
NAMED = {"type": "BODY", "text": "Hi {{first_name}}, {{order}}!"}
IMAGE = {"type": "HEADER", "format": "IMAGE"}
PLACE = {"type": "HEADER", "format": "LOCATION"}
TITLE = {"type": "HEADER", "format": "TEXT", "text": "Order {{1}}"}
BUTTONS = {
    "type": "BUTTONS",
    "buttons": [
        {"type": "URL", "text": "Track", "url": "https://shop.example/{{1}}"},
        {"type": "QUICK_REPLY", "text": "Stop"},
        {"type": "URL", "text": "Home", "url": "https://shop.example/"},
        {"type": "COPY_CODE", "text": "Copy"},
    ],
}
SUFFIX = button("0", "url", type="text", text="abc")
CODE = button(3, "COPY_CODE", type="coupon_code", coupon_code="SAVE10")
CODE_BUTTON = {"type": "BUTTONS", "buttons": [{"type": "OTP", "otp_type": "COPY_CODE", "text": "Copy"}]}
DECK = {"type": "CAROUSEL", "cards": [{"components": [IMAGE, BODY]}, {"components": [IMAGE, BODY]}]}
PICTURE = header(type="image", image={"id": "123"})


def cards(*indexes: int) -> dict[str, Any]:
    return {
        "type": "carousel",
        "cards": [{"card_index": index, "components": [PICTURE, body("Zoë", "you")]} for index in indexes],
    }


def test_the_text_is_returned_as_the_recipient_reads_it() -> None:
    assert fill(template(BODY), [body("Zoë", "{{1}}")]) == "Hi Zoë, {{1}}!"


def test_positions_count_and_not_the_order_in_the_text() -> None:
    turned = {"type": "BODY", "text": "{{2}} before {{1}}, {{2}}"}
    assert fill(template(turned), [body("one", "two")]) == "two before one, two"


def test_named_parameters_come_in_any_order() -> None:
    assert fill(template(NAMED, parameter_format="NAMED"), [body(order="#1", first_name="Zoë")]) == "Hi Zoë, #1!"


@pytest.mark.parametrize(
    ("parts", "components"),
    [
        ([TITLE, BODY], [header(type="text", text="#1"), body("a", "b")]),
        ([IMAGE, PLAIN], [header(type="IMAGE", image={"link": "https://shop.example/a.png"})]),
        ([PLACE, PLAIN], [header(type="location", location={"latitude": "48.1", "longitude": 11.5})]),
        ([PLAIN, BUTTONS], [SUFFIX, CODE]),
        ([PLAIN, BUTTONS], [SUFFIX, CODE, button(1, "quick_reply", type="payload", payload="STOP")]),
        ([PLAIN, CODE_BUTTON], [button("0", "url", type="text", text="123456")]),
        ([PLAIN, DECK], [cards(1, 0)]),
        ([BODY], [body("a", "    b")]),
    ],
)
def test_what_fits_the_template_is_taken(parts: list[dict[str, Any]], components: list[dict[str, Any]]) -> None:
    assert fill(template(*parts), components)


@pytest.mark.parametrize(
    ("code", "parts", "components"),
    [
        (132000, [BODY], [body("only one")]),
        (132000, [BODY], []),
        (132000, [PLAIN], [body("too much")]),
        (132000, [TITLE, PLAIN], []),
        (100, [NAMED], [body("Zoë", "#1")]),
        (100, [NAMED], [body(first_name="Zoë", orders="#1")]),
        (131008, [BODY], [body("Zoë", "")]),
        (131008, [BODY], [body("Zoë", "   ")]),
        (131008, [BODY], [body("Zoë", None)]),
        (100, [BODY], [body("Zoë", 12)]),
        (132018, [BODY], [body("Zoë", "two\nlines")]),
        (132018, [BODY], [body("Zoë", "a\ttab")]),
        (132018, [BODY], [body("Zoë", "many     spaces")]),
        (132005, [BODY], [body("Zoë", "x" * 1020)]),
        (132005, [TITLE, PLAIN], [header(type="text", text="x" * 60)]),
        (132012, [BODY], [{"type": "body", "parameters": [{"type": "image"}, {"type": "text", "text": "b"}]}]),
        (132012, [IMAGE, PLAIN], []),
        (132012, [IMAGE, PLAIN], [header(type="video", video={"id": "1"})]),
        (100, [IMAGE, PLAIN], [header(type="image", image={"id": "1", "link": "https://shop.example/"})]),
        (131009, [IMAGE, PLAIN], [header(type="image", image={"link": "http://shop.example/a.png"})]),
        (131008, [PLACE, PLAIN], [header(type="location", location={"latitude": "1"})]),
        (131009, [PLACE, PLAIN], [header(type="location", location={"latitude": "91", "longitude": "0"})]),
        (131009, [PLACE, PLAIN], [header(type="location", location={"latitude": "nan", "longitude": "0"})]),
        (131008, [PLAIN, BUTTONS], [CODE]),
        (131008, [PLAIN, BUTTONS], [SUFFIX]),
        (132012, [PLAIN, BUTTONS], [button(0, "quick_reply", type="payload", payload="x"), CODE]),
        (132018, [PLAIN, BUTTONS], [SUFFIX, CODE, button(2, "url", type="text", text="x")]),
        (132018, [PLAIN, BUTTONS], [SUFFIX, CODE, button(4, "url", type="text", text="x")]),
        (132018, [PLAIN, BUTTONS], [button(0, "url", type="text", text="a b"), CODE]),
        (132018, [PLAIN, BUTTONS], [button(0, "url", type="text", text="x" * 2000), CODE]),
        (132018, [PLAIN, BUTTONS], [SUFFIX, button(3, "copy_code", type="coupon_code", coupon_code="NO WAY")]),
        (100, [PLAIN, BUTTONS], [SUFFIX, SUFFIX, CODE]),
        (131008, [PLAIN, CODE_BUTTON], []),
        (132000, [PLAIN, DECK], [cards(0)]),
        (131008, [PLAIN, DECK], [cards(0, 2)]),
        (132000, [PLAIN], [cards(0)]),
        (100, [PLAIN], [{"type": "footer"}]),
        (100, [BODY], [body("a", "b"), body("a", "b")]),
        (100, [BODY], "components"),
        (100, [BODY], [{"type": "body", "parameters": "ab"}]),
    ],
)
def test_what_does_not_fit_is_refused_with_meta_s_code(code: int, parts: list[dict[str, Any]], components: Any) -> None:
    with pytest.raises(GraphError) as refusal:
        fill(template(*parts), components)
    assert refusal.value.code == code, refusal.value.details
