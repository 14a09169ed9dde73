"""A queue's strategy by its configured name: built in, or a user's own class, named `module:Class`.

The module is `strategies/MODULE.py` in the data directory, or one that Python finds. It runs in the switch with all
its rights: whoever writes the configuration names it.
"""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

from softswitch.acd.strategies import STRATEGIES, Crew, FindStrategy, Strategy, built_in
from softswitch.kernel.errors import LocalError

_PHONES = ("one", "all", "more")


def finder(data_dir: Path) -> FindStrategy:
    """Finds strategies; it raises `LocalError` for what is not known or does not load."""
    return lambda name: find_strategy(name, data_dir)


def find_strategy(name: str, data_dir: Path) -> type[Strategy]:
    """The class of the strategy. A module of the data directory is read anew each time. Raises `LocalError`."""
    if ":" not in name:
        if name in STRATEGIES:
            return built_in(name)
        raise LocalError(f'"{name}" is none of {", ".join(STRATEGIES)}, nor module:Class')
    module_name, _, class_name = name.partition(":")
    if not class_name.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise LocalError(f'"{name}" is not module:Class')
    found = getattr(_load(module_name, data_dir), class_name, None)
    if found is None:
        raise LocalError(f"{module_name} has no {class_name}")
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise LocalError(f"{name} is no subclass of softswitch.acd.strategies.Strategy")
    if found.phones not in _PHONES:
        raise LocalError(f"{name}: phones must be one of {', '.join(_PHONES)}")
    try:
        found(Crew({}, (), {}))
    except Exception as error:  # a user's code may raise anything
        raise LocalError(f"{name} cannot be made: {type(error).__name__}: {error}") from error
    return found


def _load(name: str, data_dir: Path) -> ModuleType:
    path = data_dir / "strategies" / f"{name}.py"
    try:
        if not path.is_file():
            return importlib.import_module(name)
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise LocalError(f"{path} cannot be read")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    except ModuleNotFoundError as error:
        if error.name == name.partition(".")[0] or error.name == name:
            raise LocalError(f'no module "{name}", neither in {path.parent} nor where Python looks') from error
        raise LocalError(f"{name} does not load: {error}") from error
    except Exception as error:  # a user's code may raise anything
        raise LocalError(f"{name} does not load: {type(error).__name__}: {error}") from error
    return module
