"""Data files that are shipped with the program: in the installed package, or beside it in a checkout."""

from pathlib import Path

import softswitch
from softswitch.kernel.errors import LocalError


def data_path(name: str) -> Path:
    """Where the shipped file or folder `name` (`prompts`, `config.example.toml`) is. Raises `LocalError` when the
    installation lacks it."""
    package = Path(softswitch.__file__).parent
    for place in (package / name, package.parent / name):
        if place.exists():
            return place
    raise LocalError(f'the shipped "{name}" is missing beside {package}: install softswitch again')
