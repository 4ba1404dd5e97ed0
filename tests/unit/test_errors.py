"""The errors: their tree, how they are pickled, and how a response becomes one."""

import copy
import inspect
import json
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest

import piriod_async
from piriod_async import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    Checkpoint,
    ConfigurationError,
    DecodeError,
    FilterIgnoredError,
    IncompleteListError,
    MultipleCustomersError,
    NotFoundError,
    PermissionDeniedError,
    PiriodError,
    QueryError,
    RateLimitError,
    ServerError,
    UnexpectedStatusError,
    errors,
)
from piriod_async.errors import error_from_response
from piriod_async.testing.mock_server import MockServer

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, PiriodError)]
CHECKPOINT = Checkpoint(ordering="created", created=datetime(2031, 5, 5, tzinfo=UTC), ids=frozenset("a"), query="q")
NODE = re.compile(r"(?P<branches>(?:│   |    )*)(?:├── |└── )?(?P<name>[A-Z]\w+)(?: \((?P<beside>\w+)\))?")


def drawn_tree() -> dict[str, set[str]]:
    """Return the bases of each class, by name, as the docstring draws them."""
    assert errors.__doc__
    tree: dict[str, set[str]] = {}
    path: list[str] = []
    for line in errors.__doc__.split("```")[1].strip().splitlines():
        node = NODE.match(line)
        assert node, line
        depth = len(node["branches"]) // 4 + (1 if "── " in line else 0)
        path[depth:] = [node["name"]]
        tree[node["name"]] = {path[depth - 1] if depth else "Exception", *filter(None, [node["beside"]])}
    return tree


def response(status: int, body: bytes = b"", **options: Any) -> APIStatusError:
    """Return the error for a response."""
    defaults = {"request": "GET /customers/ page 3", "reason": "Reason", "request_id": None, "retry_after": None}
    return error_from_response(status, body, **(defaults | options))


def test_tree() -> None:
    """The docstring draws the classes and their bases as they are."""
    assert drawn_tree() == {kind.__name__: {base.__name__ for base in kind.__bases__} for kind in CLASSES}
    assert len(CLASSES) == 17


def test_public() -> None:
    """Every error can be imported from the package."""
    for error_class in CLASSES:
        assert getattr(piriod_async, error_class.__name__) is error_class
        assert error_class.__name__ in piriod_async.__all__


@pytest.mark.parametrize("error_class", [ConfigurationError, QueryError])
def test_value_errors(error_class: type[PiriodError]) -> None:
    """Invalid arguments are a `ValueError`."""
    with pytest.raises(ValueError, match="x"):
        raise error_class("x")


PLAIN = [
    PiriodError("x"),
    ConfigurationError("token='********'"),
    QueryError("name='': expected text"),
    APIConnectionError("refused", retryable=True),
    APITimeoutError("late", retryable=True),
    FilterIgnoredError("ignored"),
    DecodeError("x"),
    DecodeError("x", path="results[17].created", record_id="cus_1", retryable=True),
    IncompleteListError("moved"),
    MultipleCustomersError("several", ids=("cus_1", "cus_2"), count=3),
]
STATUS = [
    error_class("x", status=status, detail="d", errors={"f": ["a"]}, request_id="req_1", retry_after=7.0, body=b"{}")
    for error_class, status in (
        (APIStatusError, 418),
        (BadRequestError, 400),
        (AuthenticationError, 401),
        (PermissionDeniedError, 403),
        (NotFoundError, 404),
        (RateLimitError, 429),
        (ServerError, 503),
        (UnexpectedStatusError, 302),
    )
]


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))], ids=["copy", "pickle"]
)
@pytest.mark.parametrize("error", [*PLAIN, *STATUS], ids=lambda error: type(error).__name__)
def test_pickle(error: PiriodError, duplicate: Any) -> None:
    """An error keeps its message, attributes and notes when it is copied or pickled."""
    error.attempts = 3
    error.retry_budget_exhausted = True
    if isinstance(error, IncompleteListError):
        error.checkpoint = CHECKPOINT
    error.add_note("a note")
    twin = duplicate(error)
    assert type(twin) is type(error)
    assert (str(twin), twin.args) == (str(error), error.args)
    assert vars(twin) == vars(error)
    assert twin.__notes__ == error.__notes__


def test_samples() -> None:
    """The samples above have an error of each class."""
    assert {type(error) for error in (*PLAIN, *STATUS)} == set(CLASSES)


@pytest.mark.parametrize("error_class", CLASSES)
def test_defaults(error_class: type[PiriodError]) -> None:
    """Every error can be made without arguments, as unpickling needs."""
    error = error_class()
    assert (str(error), error.attempts, error.workspace, error.retryable) == ("", 0, None, False)
    assert isinstance(pickle.loads(pickle.dumps(error)), error_class)


def test_no_checkpoint() -> None:
    """An `IncompleteListError` has no checkpoint until the listing sets it."""
    assert IncompleteListError("x").checkpoint is None


@pytest.mark.parametrize(
    ("attempts", "text"), [(0, "x"), (1, "x"), (2, "x (after 2 attempts)"), (5, "x (after 5 attempts)")]
)
def test_attempts(attempts: int, text: str) -> None:
    """The message has the number of attempts if there were several."""
    error = PiriodError("x")
    error.attempts = attempts
    assert str(error) == text
    assert error.args == ("x",)


def test_workspace() -> None:
    """The message has the workspace, unless it is in it already."""
    error, other = PiriodError("x"), PiriodError("x of acc_1")
    error.workspace = other.workspace = "acc_1"
    error.attempts = 2
    assert (str(error), str(other)) == ("x (workspace acc_1) (after 2 attempts)", "x of acc_1")


def test_errors_are_copied() -> None:
    """`errors` is a copy of the mapping that was passed."""
    fields = {"f": ["a"]}
    error = BadRequestError("x", errors=fields)
    fields["g"] = ["b"]
    assert error.errors == {"f": ["a"]}


RETRIED = {408, 429, 500, 502, 503, 504}
STATUSES = [
    *((400, BadRequestError), (401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError)),
    *((429, RateLimitError), *((status, ServerError) for status in (500, 501, 502, 503, 504, 507, 520, 599))),
    *((status, UnexpectedStatusError) for status in (201, 204, 206, 301, 302, 304, 307, 402, 405, 408, 409, 410)),
    *((status, UnexpectedStatusError) for status in (418, 422, 451, 600, 999)),
]


@pytest.mark.parametrize(("status", "error_class"), STATUSES)
def test_status(status: int, error_class: type[APIStatusError]) -> None:
    """A status selects the class, and whether the request can be retried."""
    error = response(status, b'{"detail": "Nope."}', request_id="req_1", retry_after=7.5)
    assert type(error) is error_class
    assert str(error) == f"GET /customers/ page 3: {status} Reason: Nope. [retry after 7.5 s] [request req_1]"
    assert vars(error) == {
        "attempts": 0,
        "workspace": None,
        "retryable": status in RETRIED,
        "status": status,
        "detail": "Nope.",
        "errors": {},
        "request_id": "req_1",
        "retry_after": 7.5,
        "body": b'{"detail": "Nope."}',
        "response": None,
    }


@pytest.mark.parametrize(
    ("body", "detail", "fields"),
    [
        (b'{"detail": "Invalid page."}', "Invalid page.", {}),
        (b'{"detail": ["a", "b"]}', "a b", {}),
        (b'{"detail": null}', "", {}),
        (b'{"detail": ""}', "", {}),
        (b'{"detail": 7}', "7", {}),
        (b'{"detail": {"code": ["x"]}}', "detail.code: x", {"detail.code": ["x"]}),
        (b'{"detail": "d", "code": "not_found"}', "d", {"code": ["not_found"]}),
        (
            b'{"created__gte": ["Enter a valid date/time."]}',
            "created__gte: Enter a valid date/time.",
            {"created__gte": ["Enter a valid date/time."]},
        ),
        (b'{"a": ["x", "y"], "b": "z"}', "a: x y; b: z", {"a": ["x", "y"], "b": ["z"]}),
        (b'{"non_field_errors": ["No workspace."]}', "No workspace.", {"": ["No workspace."]}),
        (b'{"f": {"non_field_errors": ["x"]}}', "f: x", {"f": ["x"]}),
        (b'{"f": [{"g": ["msg"]}]}', "f[0].g: msg", {"f[0].g": ["msg"]}),
        (b'{"f": [{}, {"g": {"h": [["deep"]]}}]}', "f[1].g.h[0]: deep", {"f[1].g.h[0]": ["deep"]}),
        (b'{"f": ["x", {"g": ["y"]}]}', "f: x; f[1].g: y", {"f": ["x"], "f[1].g": ["y"]}),
        (b'["a", "b"]', "a b", {"": ["a", "b"]}),
        (b'[{"f": ["x"]}, {}, {"f": ["y"]}]', "[0].f: x; [2].f: y", {"[0].f": ["x"], "[2].f": ["y"]}),
        (b'[[{"f": "x"}]]', "[0][0].f: x", {"[0][0].f": ["x"]}),
        (b'"Gateway says no"', "Gateway says no", {"": ["Gateway says no"]}),
        (b'{"f": [1, 1.5, true, null]}', "f: 1 1.5 true null", {"f": ["1", "1.5", "true", "null"]}),
        (b'{"f": 99999999999999999999999}', "f: 99999999999999999999999", {"f": ["99999999999999999999999"]}),
        *((body, "", {}) for body in (b"", b"  \n", b"{}", b"[]", b"null", b'{"f": []}', b'{"f": {}}', b'{"f": null}')),
        (b"404", "404", {"": ["404"]}),
        ('{"detail": "No se encontró la página."}'.encode(), "No se encontró la página.", {}),
        ('{"año": ["Requerido."]}'.encode(), "año: Requerido.", {"año": ["Requerido."]}),
        (b"<h1>502 Bad Gateway</h1>\n", "<h1>502 Bad Gateway</h1>", {}),
        (b'{"detail": "cut', '{"detail": "cut', {}),
        (b'{"detail": NaN}', '{"detail": NaN}', {}),
        (b"\xff\xfe no", "\ufffd\ufffd no", {}),
        (b'{"detail": "\xff"}', '{"detail": "\ufffd"}', {}),
        (rb'{"detail": "\ud800"}', r'{"detail": "\ud800"}', {}),
        (b"x" * 1_000_000, "x" * 200, {}),
        (b"[" * 100_000 + b"]" * 100_000, "[" * 200, {}),
        (b'{"f":' * 100_000 + b"1" + b"}" * 100_000, '{"f":' * 40, {}),
    ],
)  # fmt: skip
def test_body(body: bytes, detail: str, fields: dict[str, list[str]]) -> None:
    """A body becomes a detail and a flat mapping of messages by field, whatever it is."""
    error = response(400, body)
    assert (error.detail, error.errors, error.body) == (detail, fields, body)
    assert str(error) == "GET /customers/ page 3: 400 Reason" + (f": {detail}" if detail else "")


def test_nested_body() -> None:
    """A body of any depth is flattened, or shown as text once it is too deep to parse."""
    for depth in range(50, 1_100, 50):
        error = response(400, b'{"f":' * depth + b'"x"' + b"}" * depth)
        assert error.errors == {".".join("f" * depth): ["x"]} or (depth >= 500 and error.detail == '{"f":' * 40)


@pytest.mark.parametrize("reason", ["", "No"])
def test_reason(reason: str) -> None:
    """A status line need not have a reason phrase."""
    assert str(response(599, reason=reason)) == f"GET /customers/ page 3: 599 {reason}".rstrip()


async def test_listing() -> None:
    """A listing raises the error of the response, with the request id and the messages by field."""
    async with (
        MockServer(3) as server,
        server.session(workspace="acc_nobody") as stranger,
        server.session() as piriod,
    ):
        with pytest.raises(PermissionDeniedError) as denied:
            await stranger.customers().collect()
        assert (denied.value.status, denied.value.attempts) == (403, 1)
        assert denied.value.detail == "You do not have permission to perform this action."
        assert denied.value.request_id == "req_00000001"
        with pytest.raises(BadRequestError) as refused:
            await piriod.customers(country="XX").collect()
        assert list(refused.value.errors) == ["country"]
        assert json.loads(refused.value.body) == refused.value.errors
        assert str(refused.value).startswith(
            "GET /customers/ page 1 of acc_mock: 400 Bad Request: country: Select a valid"
        )
