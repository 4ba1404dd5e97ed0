"""Checks of settings. An error names the argument, its value and what was expected."""

import inspect
import math
from typing import TypeGuard

from piriod_async.errors import ConfigurationError


def check_positive_int(name: str, value: object) -> None:
    """Check that a value is an int of at least 1.

    Raises:
        ConfigurationError: The value is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"{name}={value!r}: expected a whole number, 1 or more")


def check_seconds(name: str, value: object, *, positive: bool = False) -> None:
    """Check that a value is a finite number of seconds: at least 0, or above 0 if `positive`.

    Raises:
        ConfigurationError: The value is something else.
    """
    if not _is_number(value) or value < 0 or (positive and value == 0):
        expected = "a number of seconds above 0" if positive else "a number of seconds, 0 or more"
        raise ConfigurationError(f"{name}={value!r}: expected {expected}")


def check_rate(name: str, value: object) -> None:
    """Check that a value is None or a finite number of requests per second, above 0.

    Raises:
        ConfigurationError: The value is something else.
    """
    if value is not None and (not _is_number(value) or value <= 0):
        raise ConfigurationError(f"{name}={value!r}: expected a number of requests per second above 0, or None")


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def check_callback(name: str, value: object) -> None:
    """Check that a value is None or a function that need not be awaited.

    Raises:
        ConfigurationError: The value is something else.
    """
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        raise ConfigurationError(f"{name}={value!r}: expected a function, not async, or None")
