"""Splitting JSON that msgspec refuses to parse, at its commas and brackets.

msgspec refuses a page as such if one of its records has NaN, half a surrogate pair, a control character in a text, or
a thousand levels of nesting. Split here, only that record is invalid, and of it only the field.
"""

import json
import re
from collections.abc import Iterator
from contextlib import suppress

import msgspec

from piriod_async.decoding import strict

_STRING = rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'


def _nested(levels: int) -> bytes:
    """Return a pattern of an array or object that is nested at most so deeply; for speed, it is one token."""
    return rb'[\[{](?:[^"\[\]{}]++|%b%b)*+[\]}]' % (_STRING, b"|" + _nested(levels - 1) if levels else b"")


_TOKEN = re.compile(rb"%b|%b|[\[\]{},]" % (_STRING, _nested(levels=5)), re.DOTALL)
_NAME = re.compile(rb"\s*(%b)\s*:" % _STRING, re.DOTALL)


def split_page(body: bytes) -> strict.Envelope[msgspec.Raw]:
    """Return a page with the JSON of each record.

    Raises:
        ValueError: The body is not a page of records, or one of them is not even nearly JSON.
        msgspec.DecodeError: Its count or link to the next page is not valid.
    """
    members = dict(split_object(body))
    if not members.keys() >= {"count", "results"} or not members["results"].startswith(b"["):
        raise ValueError("expected count and results")
    envelope = b'{"count":%b,"next":%b,"results":[]}' % (members["count"], members.get("next", b"null"))
    page = strict.split_page(envelope)
    page.results = [msgspec.Raw(_check_json(record)) for record in _split(members["results"])]
    return page


def split_object(value: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the JSON of each member of an object.

    Raises:
        ValueError: The value is not an object, or is cut off.
    """
    value = value.lstrip()
    if not value.startswith(b"{"):
        raise ValueError("expected an object")
    for member in _split(value):
        name = _NAME.match(member)
        if not name:
            raise ValueError("expected a name")
        yield name[1][1:-1].decode(errors="replace"), member[name.end() :].strip()


def _split(value: bytes) -> list[bytes]:
    """Return the JSON between the commas of an array or object, which starts with its bracket."""
    pieces, depth, start, end = [], 1, 1, None
    for token in _TOKEN.finditer(value, 1):
        text = token[0]
        if depth == 1 and text in b",]}":
            pieces.append(value[start : token.start()].strip())
            start = token.end()
        if text in b"[{":
            depth += 1
        elif text in b"]}":
            depth -= 1
            if depth == 0:
                end = token.end()
                break
    if end is None or value[end:].strip():
        raise ValueError("expected a closing bracket at the end")
    return [] if pieces == [b""] else pieces


def _check_json(record: bytes) -> bytes:
    """Return a record if it is JSON, or would be but for what the module's docstring names."""
    with suppress(RecursionError):
        json.loads(record.decode(errors="replace"), strict=False, parse_int=str, parse_float=str)
    return record
