"""Structs of msgspec for OpenAPI: the values of the hot path are such, and pydantic knows nothing of them."""

from functools import lru_cache, reduce
from operator import or_
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
from pydantic import BaseModel, create_model


@lru_cache(maxsize=64)
def described(struct: type[msgspec.Struct]) -> type[BaseModel]:
    """A model with the fields of `struct`, and of the structs within it. It describes answers and makes none."""
    hints = get_type_hints(struct)
    fields: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        default = field.default if field.default is not msgspec.NODEFAULT else ...
        if field.default_factory is not msgspec.NODEFAULT:
            default = field.default_factory()
        fields[field.name] = (_type(hints[field.name]), default)
    return create_model(struct.__name__, __doc__=struct.__doc__, **fields)


def _type(hint: Any) -> Any:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return described(hint)
    inner = tuple(_type(part) for part in get_args(hint))
    if inner == get_args(hint):
        return hint
    origin = get_origin(hint)
    return reduce(or_, inner) if origin in (Union, UnionType) else origin[inner]
