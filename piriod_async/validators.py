"""Settings, refused where they cannot work: each check names the argument, its value and what was expected."""

import inspect
import math

from piriod_async.errors import ConfigurationError


def check_positive_int(name: str, value: object) -> None:
    """Refuse what is not a whole number of 1 or more.

    Raises:
        ConfigurationError: It is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}={value!r}: expected a whole number, 1 or more")


def seconds(name: str, value: object, *, above_zero: bool = False) -> None:
    """Refuse what is not a finite number of seconds.

    Raises:
        ConfigurationError: It is not, or it is too small.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (number and (value > 0 if above_zero else value >= 0)):  # type: ignore[operator]
        expected = "a number of seconds above 0" if above_zero else "a number of seconds, 0 or more"
        raise ConfigurationError(f"{name}={value!r}: expected {expected}")


def check_callback(name: str, value: object) -> None:
    """Refuse what cannot be called, unless it is None.

    Raises:
        ConfigurationError: It is neither, or one that would have to be awaited.
    """
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        raise ConfigurationError(f"{name}={value!r}: expected a function, not async, or None")
