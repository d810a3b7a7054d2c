"""A griffe extension that reads linnet's two habits: indexes of `Name as Name`, and Equinox modules.

A re-export `from ._x import Name as Name` makes a name public, so that a room's index is its API page. The annotated
fields of an Equinox module are the parameters of its constructor, as those of a dataclass are.
"""

import ast
from typing import Any

import griffe

KEYWORD = griffe.ParameterKind.positional_or_keyword


class PublicNames(griffe.Extension):
    """Makes `Name as Name` public, all other imports of an index private, and fields into parameters."""

    def on_alias_instance(self, *, alias: griffe.Alias, node: Any, **kwargs: Any) -> None:
        if isinstance(node, ast.ImportFrom):
            alias.public = any(name.asname == name.name == alias.name for name in node.names)

    def on_class_members(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        bases = [str(base).split("[")[0].split(".")[-1] for base in cls.bases]
        module = any(base == "Module" or base.startswith("Abstract") for base in bases)
        if not module or "__init__" in cls.members:
            return
        fields = [
            member
            for member in cls.members.values()
            if member.is_attribute and not member.is_alias and "property" not in member.labels
        ]
        parameters = [griffe.Parameter("self", kind=KEYWORD)]
        for field in fields:
            annotation = getattr(field, "annotation", None)
            if annotation is not None and "ClassVar" not in str(annotation):
                default = _default(getattr(field, "value", None))
                parameters.append(griffe.Parameter(field.name, annotation=annotation, kind=KEYWORD, default=default))
        constructor = griffe.Function(
            "__init__", parameters=griffe.Parameters(*parameters), parent=cls, lineno=cls.lineno
        )
        cls.set_member("__init__", constructor)


def _default(value: Any) -> Any:
    """The default of a field, looking inside `eqx.field(...)`."""
    if isinstance(value, griffe.ExprCall) and str(value.function).split(".")[-1] == "field":
        given = {
            argument.name: argument.value for argument in value.arguments if isinstance(argument, griffe.ExprKeyword)
        }
        if "default_factory" in given:
            return f"{given['default_factory']}()"
        return given.get("default")
    return value
