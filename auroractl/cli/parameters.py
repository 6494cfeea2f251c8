"""Options and arguments with their own conversion and description of values.

Since 0.29 Typer converts every value with pydantic, and loading pydantic takes as long as a whole command.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from enum import Enum
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperOption


class Option(TyperOption):
    """An option that converts its own value."""

    def process_value(self, ctx: Any, value: Any) -> Any:
        """Convert a value and pass it to the option's callback."""
        return _process(self, super().process_value, ctx, value)


class Argument(TyperArgument):
    """An argument that converts its own value."""

    def process_value(self, ctx: Any, value: Any) -> Any:
        """Convert a value and pass it to the argument's callback."""
        return _process(self, super().process_value, ctx, value)

    def get_help_record(self, ctx: Any) -> tuple[str, str] | None:
        """Return its name and help, which differ between versions of Typer."""
        record = super().get_help_record(ctx)
        return record and (str(self.metavar), record[1])

    def get_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Return its name in the usage line, whose brackets differ between versions of Typer."""
        return [f"{{{self.metavar}}}" if self.required else str(self.metavar)]


def converting(params: Sequence[Any], callback: Callable[..., Any]) -> list[Any]:
    """Convert Typer's parameters of `callback` to ones that convert their own values.

    If Typer stops calling their `process_value`, it converts the values itself: only start-up gets slower.
    """
    declared = inspect.signature(callback, eval_str=True).parameters
    return [_converting(param, declared.get(param.name)) for param in params]


def _converting(param: Any, declared: inspect.Parameter | None) -> Any:
    # Typer has no setting for the class of parameters, so each is copied to an instance of these classes.
    ours: Any = object.__new__(Option if isinstance(param, TyperOption) else Argument)
    vars(ours).update(vars(param), kind=None, info=None)
    if declared is not None and get_origin(declared.annotation) is Annotated:
        whole, ours.info = get_args(declared.annotation)
        ours.kind = _kind(whole)
        ours.metavar = ours.metavar or _metavar(ours)
    return ours


def without_conversion(flag: Any) -> Any:
    """Make a flag that is either set or not. Typer would convert other values to bool with pydantic."""
    if flag is not None:
        flag.default = False
    return flag


def _process(param: Any, by_typer: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    missing = value is None or value == ()
    if (param.required and missing) or not (param.kind or missing or isinstance(value, bool)):
        return by_typer(context, value)
    try:
        if param.multiple or param.nargs == -1:
            value = tuple(_converted(param, each) for each in value or ())
        else:
            value = _converted(param, value)
    except ValueError as error:
        raise typer.BadParameter(str(error), ctx=context, param=param) from None
    return param.callback(context, param, value) if param.callback else value


def _kind(declared: Any) -> Any:
    """Return the type of a single value of an annotation.

    >>> _kind(list[int] | None)
    <class 'int'>
    """
    inside = [each for each in get_args(declared) if each is not NoneType]
    return _kind(inside[0]) if inside else declared


def _converted(param: Any, value: Any) -> Any:
    kind, info = param.kind, param.info
    if kind is None or value is None or isinstance(value, kind):
        return value
    if issubclass(kind, Enum):
        return _choice(kind, info, value)
    return _number(kind, value, info.min, info.max) if kind in {int, float} else kind(value)


def _choice(kind: type[Enum], info: Any, word: str) -> Enum:
    choices = _choices(kind, info)
    wanted = word if info.case_sensitive else word.casefold()
    if wanted not in choices:
        raise ValueError(f"{word!r} is not one of {', '.join(map(repr, choices))}.")
    return choices[wanted]


def _choices(kind: type[Enum], info: Any) -> dict[str, Enum]:
    """Return the choices by their words."""
    return {choice.value if info.case_sensitive else choice.value.casefold(): choice for choice in kind}


def _number(kind: Any, word: str, least: float | None, most: float | None) -> Any:
    try:
        number = kind(word)
    except ValueError:
        raise ValueError(f"{word!r} is not a valid {kind.__name__}.") from None
    if (least is not None and number < least) or (most is not None and number > most):
        raise ValueError(f"{number} is not in the range {_range(least, most)}.")
    return number


def _range(least: float | None, most: float | None) -> str:
    """Describe a range in words.

    >>> _range(0, None), _range(1, 64)
    ('x>=0', '1<=x<=64')
    """
    if least is None:
        return f"x<={most}"
    return f"x>={least}" if most is None else f"{least}<=x<={most}"


def _metavar(param: Any) -> str | None:
    """Return the placeholder of a value in help, which names its meaning instead of its type."""
    if param.param_type_name == "argument":
        return str(param.name).upper()
    if param.kind is bool:
        return None
    if param.kind in {int, float}:
        return "NUMBER"
    if issubclass(param.kind, Enum):
        return f"<{'|'.join(_choices(param.kind, param.info))}>"
    return str(param.name).rpartition("_")[2].upper()
