"""`PIRIOD_LOG`: the log on standard error, without a line of code."""

import logging

from piriod_async.errors import ConfigurationError

LEVELS = {"info": logging.INFO, "debug": logging.DEBUG}
logger = logging.getLogger("piriod_async")


def configure_logging(value: str) -> None:
    """Set the level of the log, and print it on standard error unless the application has handlers for it.

    A level that the application has set remains. Each session calls this, when the application's own logging is set up
    as a rule; handlers that it adds to the root logger later take over.

    Args:
        value: `"info"`: each retry, and the end of each listing; `"debug"`: each attempt too; `""`: do nothing.

    Raises:
        ConfigurationError: The value is something else.
    """
    if not value:
        return
    if value.casefold() not in LEVELS:
        raise ConfigurationError(f"PIRIOD_LOG={value!r}: expected info or debug")
    if logger.level != logging.NOTSET:
        return
    logger.setLevel(LEVELS[value.casefold()])
    if not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        handler.addFilter(lambda _: not logging.root.handlers)
        logger.addHandler(handler)
