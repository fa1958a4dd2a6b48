"""The mutation operators for Python: cosmic-ray's, chosen, and one of its kind that deletes a statement.

Left out is what every test notices, such as a changed type hint, which fails at import; and what nobody can
notice: the arguments of decorators, and a number above ten that is one larger.
"""

import ast
from collections.abc import Iterator
from typing import Any, Protocol

from cosmic_ray.plugins import get_operator
from parso.python.tree import Keyword
from parso.tree import search_ancestor

# Of numbers.
LARGEST = 10
Position = tuple[tuple[int, int], tuple[int, int]]
# By kind; the number is its share of a sample, in per cent. Query texts are the rest, see sample.py.
SHARES = {
    "boundary": 14,
    "comparison": 20,
    "and/or": 12,
    "statement": 16,
    "constant": 14,
    "arithmetic": 8,
    "query": 16,
}


class Operator(Protocol):
    """cosmic-ray's interface of an operator."""

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield where it can change a node of parso's tree."""

    def mutate(self, node: Any, index: int) -> Any:
        """Return the changed node."""


class DeleteStatement:
    """Puts `pass` in place of a call, a raise, a del, or an assignment to anything but a name, in functions.

    Without an assignment to a name the next line fails, which every test notices.
    """

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield where a statement can go."""
        if node.type == "simple_stmt" and self._counts(node.children[0]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """Return the statement that does nothing."""
        del index
        first = node.get_first_leaf()
        node.children = [Keyword("pass", first.start_pos, first.prefix), node.children[-1]]
        return node

    @staticmethod
    def _counts(statement: Any) -> bool:
        if search_ancestor(statement, "funcdef") is None:
            return False
        if statement.type == "expr_stmt":
            # An annotated or plain local name stays.
            target, following = statement.children[0], statement.children[1]
            return target.type != "name" or getattr(following, "value", "=") not in {"=", None}
        if statement.type in {"atom_expr", "await", "raise_stmt", "del_stmt"}:
            return True
        return getattr(statement, "value", None) in {"break", "continue"}


class _Chosen:
    """One of cosmic-ray's operators, less what this module leaves out."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator
        self.mutate = operator.mutate

    def mutation_positions(self, node: Any) -> Iterator[Position]:
        """Yield where it can change a node."""
        positions = [*self._operator.mutation_positions(node)]
        if not positions:
            return
        if search_ancestor(node, "decorator", "annassign", "tfpdef") and node.type != "number":
            return
        if node.type == "number" and (search_ancestor(node, "decorator") or not _is_small(node)):
            return
        # The star that begins a function's keyword-only parameters is no operator.
        if node.parent is not None and node.parent.type == "parameters":
            return
        if node.type == "if_stmt" and node.children[1].get_code().strip() == "TYPE_CHECKING":
            return
        yield from positions


def _is_small(number: Any) -> bool:
    value = ast.literal_eval(number.value)
    return isinstance(value, int | float) and value <= LARGEST


def _core(*names: str) -> tuple[Operator, ...]:
    return tuple(_Chosen(get_operator(f"core/{name}")()) for name in names)


def _replace(kind: str, *pairs: str) -> tuple[Operator, ...]:
    return _core(*(f"Replace{kind}Operator_{pair}" for pair in pairs))


OPERATORS: dict[str, tuple[Operator, ...]] = {
    "boundary": _replace("Comparison", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt"),
    "comparison": (
        *_replace("Comparison", "Lt_GtE", "LtE_Gt", "Gt_LtE", "GtE_Lt", "Eq_NotEq", "NotEq_Eq"),
        *_replace("Comparison", "Is_IsNot", "IsNot_Is"),
        *_core("AddNot", "ReplaceUnaryOperator_Delete_Not"),
    ),
    "and/or": _core("ReplaceAndWithOr", "ReplaceOrWithAnd"),
    "statement": (DeleteStatement(),),
    "constant": _core("NumberReplacer", "ReplaceTrueWithFalse", "ReplaceFalseWithTrue"),
    "arithmetic": _replace("Binary", "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul"),
}
