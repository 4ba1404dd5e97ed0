"""Makes the two generated clients from `openapi.yaml`, into `.generated/`, which is not committed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
GENERATED = HERE / ".generated"
DESCRIPTION = str(HERE / "openapi.yaml")
TOOLS = Path(sys.executable).parent
COMMANDS = {
    "python_client": [
        *("openapi-python-client", "generate", "--path", DESCRIPTION, "--meta", "none", "--overwrite"),
        *("--output-path", str(GENERATED / "python_client")),
    ],
    "generator_client": [
        *("openapi-generator-cli", "generate", "-i", DESCRIPTION, "-g", "python", "--library", "asyncio"),
        *("--package-name", "generator_client", "-o", str(GENERATED)),
    ],
}


def generate(name: str) -> str | None:
    """Make one client anew.

    Returns:
        Why there is none, or None.
    """
    shutil.rmtree(GENERATED / name, ignore_errors=True)
    GENERATED.mkdir(exist_ok=True)
    tool, *arguments = COMMANDS[name]
    command = shutil.which(tool, path=TOOLS)
    if command is None:
        return f"{tool} is not installed: pip install -e '.[bench]'"
    done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, env=_environment())
    return None if done.returncode == 0 else f"{tool} failed: {(done.stderr or done.stdout)[-300:]}"


def _environment() -> dict[str, str]:

    return os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}"}  # it runs ruff over what it has made
