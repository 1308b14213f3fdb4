"""A page's form as a browser without JavaScript would send it."""

from __future__ import annotations

from html.parser import HTMLParser

from werkzeug.datastructures import MultiDict


class _Reader(HTMLParser):
    def __init__(self, form: str) -> None:
        super().__init__(convert_charrefs=True)
        self.form, self.inside = form, False
        self.found: MultiDict[str, str] = MultiDict()
        self.buttons: list[tuple[str, str]] = []
        self.area: str | None = None
        self.text = ""
        self.select: str | None = None
        self.options: list[tuple[str, bool]] = []
        self.option: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.inside = given.get("id") == self.form
        if not (self.inside or given.get("form") == self.form):
            return
        name = given.get("name", "") if "disabled" not in given else ""
        if tag == "input" and name:
            if given.get("type") in ("checkbox", "radio"):
                if "checked" in given:
                    self.found.add(name, given.get("value", "on"))
            else:
                self.found.add(name, given.get("value", ""))
        elif tag == "textarea":
            self.area, self.text = name, ""
        elif tag == "select":
            self.select, self.options = name, []
        elif tag == "option" and self.select is not None:
            self.options.append((given.get("value", ""), "selected" in given))
        elif tag == "button" and name:
            self.buttons.append((name, given.get("value", "")))

    def handle_data(self, data: str) -> None:
        if self.area is not None:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.inside = False
        elif tag == "textarea" and self.area is not None:
            if self.area:
                # a browser drops the first line end, and sends those of the network
                self.found.add(self.area, self.text.removeprefix("\n").replace("\n", "\r\n"))
            self.area = None
        elif tag == "select" and self.select is not None:
            chosen = [value for value, on in self.options if on] or [value for value, _ in self.options[:1]]
            if self.select and chosen:
                self.found.add(self.select, chosen[-1])
            self.select = None


def read_form(page: str, form: str = "editor") -> MultiDict[str, str]:
    """Return what the form of this id would send, without its buttons."""
    reader = _Reader(form)
    reader.feed(page)
    return reader.found


def buttons(page: str, form: str = "editor") -> list[str]:
    """Return the values of the form's buttons."""
    reader = _Reader(form)
    reader.feed(page)
    return [value for name, value in reader.buttons if name == "do"]
