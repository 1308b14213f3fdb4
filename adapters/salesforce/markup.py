"""XML from outside, walked through within bounds; nothing of it is kept but what the walker takes.

defusedxml over the standard library's parser; expat itself bounds the rest
(https://github.com/tiran/defusedxml#python-xml-libraries).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, XMLParser

from connector.errors import PayloadError


class Found(Exception):  # noqa: N818 - it is none
    """What a walker looked for has been read; the rest is left alone."""


class Walker(Protocol):
    """Takes what the parser sees, in its order; names are ``{namespace}name``."""

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def data(self, text: str) -> None:
        """Some text, or a part of it."""

    def end(self, tag: str) -> None:
        """An element ends."""

    def close(self) -> None:
        """The document ends."""


def walk(walker: Walker, body: bytes, *, whole: bool = True) -> None:
    """Lead a walker through a document, or through the beginning of one.

    Raises PayloadError for whatever is no XML, for DTDs and entities of any kind, and for encodings that the
    parser does not know.
    """
    parser = XMLParser(target=walker, forbid_dtd=True)
    try:
        parser.feed(body)
        if whole:
            parser.close()
    except Found:
        return
    except ParseError as error:
        line, column = error.position
        raise PayloadError(f"The body is not XML (line {line}, column {column}).") from None
    except DefusedXmlException:
        raise PayloadError("The XML declares a DTD or entities; Salesforce's never does.") from None
    except (ValueError, LookupError, RecursionError):
        raise PayloadError("The XML is in an encoding that cannot be read; UTF-8 is expected.") from None
