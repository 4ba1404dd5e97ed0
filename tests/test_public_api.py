"""The public names: complete, documented, typed, and cheap to import."""

import ast
import inspect
import pydoc
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest

import piriod_async
from piriod_async import (
    Aggregations,
    Contact,
    Country,
    Customer,
    CustomerListing,
    CustomerQuery,
    PiriodSession,
    State,
    piriod_context,
)
from piriod_async.query import CustomerFilters
from piriod_async.session import DerivedOptions, SessionOptions

PACKAGE = Path(piriod_async.__file__).parent
CALLER = Path(__file__).parent / "typing" / "caller.py"
NAMES = {
    *("PiriodSession", "CustomerListing", "WorkspaceListing", "CustomerQuery", "RetryPolicy"),
    *("Customer", "Country", "State", "Contact", "Aggregations", "CustomerStatus", "Page", "Progress", "Checkpoint"),
    *("AccessReport", "ResponseInfo", "Attempt", "WorkspaceProgress", "InvalidRecord", "InvalidRecords"),
    *("piriod_context", "piriod_errors", "PIRIOD"),
    *("PiriodError", "ConfigurationError", "QueryError", "APIConnectionError", "APITimeoutError", "APIStatusError"),
    *("BadRequestError", "AuthenticationError", "PermissionDeniedError", "NotFoundError", "RateLimitError"),
    *("ServerError", "UnexpectedStatusError", "DecodeError", "FilterIgnoredError", "IncompleteListError"),
    "MultipleCustomersError",
}
CLASSES = [value for name in sorted(NAMES) if inspect.isclass(value := getattr(piriod_async, name))]


def documented(section: str, doc: str | None) -> list[str]:
    """Return the names that a section of a Google-style docstring describes, in order."""
    found = re.search(
        rf"^ *{section}:\n((?:\n|( +)\S.*\n(?:\2 +\S.*\n)*)+)", f"{inspect.cleandoc(doc or '')}\n", re.MULTILINE
    )
    return re.findall(r"^    \*{0,2}(\w+):", found[1], re.MULTILINE) if found else []


def test_all() -> None:
    """`__all__` has every public name once."""
    assert set(piriod_async.__all__) == NAMES
    assert len(piriod_async.__all__) == len(NAMES)


def test_lazy_import() -> None:
    """Importing the package imports nothing else; the first use of a name, or `dir`, has all names and submodules."""
    uses = ["piriod_async.Customer", "'Customer' in dir(piriod_async) or 1 / 0", "from piriod_async import *"]
    for use in uses:
        code = f"import sys, piriod_async; assert 'aiohttp' not in sys.modules; {use}; piriod_async.errors.PiriodError"
        subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="module 'piriod_async' has no attribute 'customer'"):
        piriod_async.customer  # type: ignore[attr-defined]  # noqa: B018


def test_nothing_else() -> None:
    """Nothing but modules looks public beside them."""
    others = {name for name in vars(piriod_async) if not name.startswith("_")} - NAMES
    assert all(inspect.ismodule(getattr(piriod_async, name)) for name in others)


def test_docstrings() -> None:
    """Every name, method and property has a docstring, whose first line is a sentence."""
    assert "`request.app[PIRIOD]`" in str(piriod_context.__doc__)
    for name in NAMES - {"PIRIOD"}:
        value = getattr(piriod_async, name)
        assert value.__doc__, name
        assert value.__doc__.partition("\n")[0].endswith("."), name
        assert value.__module__.startswith("piriod_async."), name
    for cls in CLASSES:
        fields = {field.name for field in attrs.fields(cls)} if attrs.has(cls) else set()
        for name, value in vars(cls).items():
            if not name.startswith("_") and name not in fields and (callable(value) or isinstance(value, property)):
                assert inspect.getdoc(value), f"{cls.__name__}.{name}"


@pytest.mark.parametrize(
    "cls",
    [
        *(Customer, Contact, Country, State, Aggregations, piriod_async.Checkpoint),
        *(piriod_async.Page, piriod_async.Progress, piriod_async.InvalidRecord),
    ],
)
def test_fields(cls: type) -> None:
    """The docstring of a record describes each of its fields."""
    assert documented("Attributes", cls.__doc__) == [field.name for field in attrs.fields(cls)]


@pytest.mark.parametrize(
    "function",
    [
        *(PiriodSession, PiriodSession.with_options, PiriodSession.customers, PiriodSession.across),
        *(CustomerQuery, CustomerListing.split, piriod_async.RetryPolicy, piriod_context),
    ],
)
def test_arguments(function: Any) -> None:
    """A docstring describes each argument, in order; it may leave the filters to `CustomerQuery`."""
    described = documented("Args", function.__doc__)
    names = [name for name in inspect.signature(function).parameters if name not in ("self", "filters")]
    if "filters" in described:
        filters = inspect.signature(CustomerQuery).parameters
        names = [*(name for name in names if name not in filters), "filters"]
    assert described == names


def test_filters() -> None:
    """The filters of `customers` are those of `CustomerQuery` with its defaults, and `CustomerFilters` has them all."""
    asked = {
        name: each for name, each in inspect.signature(PiriodSession.customers).parameters.items() if name != "self"
    }
    filters = inspect.signature(CustomerQuery).parameters
    assert set(asked) == {"workspace", *filters, "after", "check_filters", "on_invalid"}
    assert {name: asked[name].default for name in filters} == {name: each.default for name, each in filters.items()}
    assert list(CustomerFilters.__annotations__) == list(filters)
    assert {each.kind for each in asked.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_options() -> None:
    """`SessionOptions` has every option of the session, and `piriod_context` takes them."""
    parameters = list(inspect.signature(PiriodSession).parameters)
    assert parameters == ["token", "workspace", *SessionOptions.__annotations__]
    assert list(inspect.signature(piriod_context).parameters) == ["token", "workspace", "key", "options"]


def test_derived_options() -> None:
    """`with_options` takes options of the session, each named in its docstring."""
    assert DerivedOptions.__annotations__.keys() < inspect.signature(PiriodSession).parameters.keys()
    for name in DerivedOptions.__annotations__:
        assert f"`{name}`" in str(PiriodSession.with_options.__doc__)


def test_help() -> None:
    """`help(PiriodSession)` says on one screen what each argument is for."""
    lines = pydoc.plain(pydoc.render_doc(PiriodSession)).splitlines()
    screen = "\n".join(lines[:50])
    for name in inspect.signature(PiriodSession).parameters:
        assert f" |      {name}: " in screen


def test_listing() -> None:
    """A session makes a listing of the query."""
    listing = PiriodSession("token", "acc_1").customers(country="CL")
    assert isinstance(listing, CustomerListing)
    assert listing.query == CustomerQuery(country="CL")


def test_typed() -> None:
    """The package ships its types."""
    assert (PACKAGE / "py.typed").exists()


def test_caller() -> None:
    """The caller that is type-checked uses every public name."""
    used = {node.id for node in ast.walk(ast.parse(CALLER.read_text())) if isinstance(node, ast.Name)}
    assert used >= NAMES


def test_import() -> None:
    """Importing a name does not import what only some users need."""
    code = "import sys; from piriod_async import PiriodSession; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] if not name.startswith("piriod_async.") else name for name in run.stdout.split()}
    assert "piriod_async.session" in loaded
    packages = {f"piriod_async.{name}" for name in ("testing", "cli", "export")}
    assert not loaded & ({"pytest", "django", "click", "rich", "pyarrow", "pandas", "numpy"} | packages)
