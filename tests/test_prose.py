"""Prose and names: plain English, the field's terms, a docstring for each test."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = sorted(
    path
    for room in ("piriod_async", "benchmarks", "tests")
    for path in (ROOT / room).rglob("*.py")
    if ".generated" not in path.parts  # the clients that the benchmarks generate
)
TEXTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / ".github").rglob("*.md"), *ROOT.glob("benchmarks/*.md")]

# phrase: what to write instead. A space also matches a line break, and the underscore of a name.
PHRASES = {
    "under way|underway": "pending, in flight",
    "in silence": "silently",
    "likewise": "too, as well",
    "(?:is|are|was|were) none": "is not a …, does not exist",
    "(?:go|goes|gone|going|went) on with": "continue, resume",
    "that there (?:is|are) not?": "unknown, missing",
    "in miniature": "mock server",
    "(?:go|goes|gone|going) by": "uses",
    "(?:is|are|be|was|were) told of": "receives",
    "the likes": "such as",
    "(?:a|had|as|be|been|are|is|it|them|no|not|or|read|was) whole(?! number)|whole (?:and|or)": "complete, entire",
    "to the letter": "exactly",
    "turns? of the (?:event )?loop": "event-loop iteration",
    "look ahead|look-ahead|lookahead": "prefetch",
    "sandbox(?:es)?": "mock server",
    "churn": "mutations",
    "gates?": "limiter",
    "lanes?": "strict, lenient",
    "outlines?": "raw page, keys",
}
PATTERNS = {
    re.compile(rf"(?<![A-Za-z])(?:{phrase})(?![A-Za-z])".replace(" ", r"[\s_#]+")): plain
    for phrase, plain in PHRASES.items()
}
# A clause as the subject: "What came is delivered". A question is fine.
CLAUSE = re.compile(r'(?:"""|# |\. |: )(?:What|Who|Whose|Whoever)\b[^.?"]*[."]')


def find(text):
    """Yield (line, what was found, what to write)."""
    for pattern, plain in PATTERNS.items():
        for match in pattern.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match[0], plain
    for match in CLAUSE.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[0][:40], "name the subject"


def prose_of(path):
    """Return a file's text, without what the changelog says of old names."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return "\n".join("" if "→" in line and path.name == "CHANGELOG.md" else line for line in lines)


def test_no_banned_phrase():
    """No text, comment, string or name uses a phrase that has a plainer one."""
    found = [
        f"{path.relative_to(ROOT)}:{line}: {' '.join(words.split())!r}: expected {plain}"
        for path in (*TEXTS, *SOURCES)
        if path != Path(__file__)
        for line, words, plain in find(prose_of(path))
    ]
    assert not found, f"{len(found)} phrases:\n" + "\n".join(found)


def test_banned_phrases_are_found():
    """The check sees phrases across lines and in names, and does not mistake code for prose."""
    assert [line for line, *_ in find('"""All\nthat is under\n# way."""')] == [2]
    assert [words for _, words, _ in find("def under_way(sandbox): pass")] == ["under_way", "sandbox"]
    assert [plain for *_, plain in find('"""What came is delivered."""')] == ["name the subject"]
    assert not list(find('if x is None: "navigate", "What is it?", aggregate("whole number")'))


def test_every_test_has_a_docstring():
    """Each test says in one line what must hold."""
    bare = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path in SOURCES
        if path.name.startswith("test_")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and len((ast.get_docstring(node) or "").splitlines()) != 1
    ]
    assert not bare, f"{len(bare)} tests:\n" + "\n".join(bare)
