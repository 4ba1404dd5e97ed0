"""The imports of a source file."""

import ast
from collections.abc import Iterator
from pathlib import Path

import piriod_async

PACKAGE = Path(piriod_async.__file__).parent


def imports(path: Path, *, typing: bool) -> Iterator[str]:
    """Yield the full name of every module, or name of a module, that a file imports.

    Args:
        path: The file.
        typing: Whether to count what is imported for type checkers only.
    """
    tree = ast.parse(path.read_text())
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if not typing and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            skipped |= {inner for child in node.body for inner in ast.walk(child)}
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def within(names: Iterator[str], package: str) -> set[str]:
    """Return what is imported from a package: the name that follows the package's own."""
    return {name.split(".")[1] if "." in name else "" for name in names if name.split(".")[0] == package}
