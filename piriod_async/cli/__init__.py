"""The command line, `piriod-async`. Needs the extra `cli`."""
