"""What users may import, and what the rooms may."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import piriod_async
from piriod_async import CustomerListing, CustomerQuery, PiriodSession, piriod_context
from piriod_async.query import CustomerFilters
from piriod_async.session import SessionOptions

PACKAGE = Path(piriod_async.__file__).parent
CALLER = Path(__file__).parent / "typing" / "caller.py"
NAMES = {
    *("PiriodSession", "CustomerListing", "WorkspaceListing", "CustomerQuery", "RetryPolicy"),
    *("Customer", "Country", "State", "Contact", "Aggregations", "CustomerStatus", "Page", "Progress", "Checkpoint"),
    *("Attempt", "WorkspaceProgress"),
    *("piriod_context", "PIRIOD"),
    *("PiriodError", "ConfigurationError", "QueryError", "APIConnectionError", "APITimeoutError", "APIStatusError"),
    *("BadRequestError", "AuthenticationError", "PermissionDeniedError", "NotFoundError", "RateLimitError"),
    *("ServerError", "UnexpectedStatusError", "DecodeError", "FilterIgnoredError", "IncompleteListError"),
}
CLASSES = [value for name in sorted(NAMES) if inspect.isclass(value := getattr(piriod_async, name))]


def arguments(doc: str | None) -> list[str]:
    """Return the names that the `Args` of a docstring explain, in order."""
    section = re.search(
        r"^ *Args:\n((?:\n|( +)\S.*\n(?:\2 +\S.*\n)*)+)", f"{inspect.cleandoc(doc or '')}\n", re.MULTILINE
    )
    return re.findall(r"^    \*{0,2}(\w+)(?: \(.*?\))?:", section[1], re.MULTILINE) if section else []


# --- the names ---


def test_all() -> None:
    assert set(piriod_async.__all__) == NAMES
    assert len(piriod_async.__all__) == len(NAMES)


def test_nothing_else_looks_public() -> None:
    others = {name for name in vars(piriod_async) if not name.startswith("_")} - NAMES
    assert all(inspect.ismodule(getattr(piriod_async, name)) for name in others)


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_name_is_documented(name: str) -> None:
    value = getattr(piriod_async, name)
    if name == "PIRIOD":
        assert "`request.app[PIRIOD]`" in str(piriod_context.__doc__)
        return
    assert value.__doc__
    assert value.__doc__.partition("\n")[0].endswith(".")
    assert value.__module__.startswith("piriod_async.")


@pytest.mark.parametrize("kind", CLASSES)
def test_every_method_is_documented(kind: type) -> None:
    methods = {name: value for name, value in vars(kind).items() if not name.startswith("_")}
    fields = {field.name for field in attrs.fields(kind)} if attrs.has(kind) else set()
    for name, value in methods.items():
        if name not in fields and (callable(value) or isinstance(value, property | classmethod)):
            assert inspect.getdoc(value), name


def test_filters_are_the_same_everywhere() -> None:
    asked = inspect.signature(PiriodSession.customers).parameters
    own = inspect.signature(CustomerQuery).parameters
    mine = {name: parameter.default for name, parameter in asked.items() if name != "self"}
    assert list(mine) == ["workspace", *own, "after", "check_filters"]
    assert {name: mine[name] for name in own} == {name: parameter.default for name, parameter in own.items()}
    assert list(CustomerFilters.__annotations__) == list(own)
    assert {parameter.kind for name, parameter in asked.items() if name != "self"} == {inspect.Parameter.KEYWORD_ONLY}


def test_options_are_the_same_everywhere() -> None:
    made = list(inspect.signature(PiriodSession).parameters)
    assert made == ["token", "workspace", *SessionOptions.__annotations__]
    assert list(inspect.signature(piriod_context).parameters) == ["token", "workspace", "key", "options"]


@pytest.mark.parametrize(
    "called",
    [
        *(PiriodSession, PiriodSession.customers, PiriodSession.across),
        *(CustomerQuery, piriod_async.RetryPolicy, piriod_context),
    ],
)
def test_every_argument_is_documented(called: Any) -> None:
    names = [name for name in inspect.signature(called).parameters if name != "self"]
    assert arguments(called.__doc__) == names


def test_a_listing_is_made_by_a_session() -> None:
    listing = PiriodSession("token", "acc_1").customers(country="CL")
    assert isinstance(listing, CustomerListing)
    assert listing.query == CustomerQuery(country="CL")


def test_types_are_shipped() -> None:
    assert (PACKAGE / "py.typed").exists()


def test_the_caller_uses_every_name() -> None:
    used = {node.id for node in ast.walk(ast.parse(CALLER.read_text())) if isinstance(node, ast.Name)}
    assert used >= NAMES


def test_what_only_some_need_is_not_loaded() -> None:
    code = "import sys, piriod_async; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] if not name.startswith("piriod_async.") else name for name in run.stdout.split()}
    assert "piriod_async.session" in loaded
    rooms = {f"piriod_async.{room}" for room in ("testing", "cli", "export")}
    assert not loaded & ({"pytest", "django", "click", "rich", "pyarrow", "pandas", "numpy"} | rooms)
