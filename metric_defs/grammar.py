"""The grammar of expressions: which nodes may stand in one, of what type each is, and how it is written for the engine.

A tree is walked node by node and written anew, so what reaches the engine is only what a rule of this module wrote: no
sub-query, no table function, no setting, no second statement, no comment. Writing is canonical: reading what was
written and writing it again gives the same text. What passes has the stated type in the engine and cannot fail on data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from sqlglot import exp
from sqlglot.dialects.clickhouse import ClickHouse

from metric_defs.faults import did_you_mean
from metric_defs.models import FieldType
from metric_defs.terms import COLUMN_TYPES, ExpressionError, Term, common, literal, shown, to_int64, widen

MAX_DEPTH = 20
_WORDS = {word for word in ClickHouse.Tokenizer.KEYWORDS if word.isalpha()} | {"INF", "NAN"}
_ALLOWED = (
    "allowed: fields, literals, + - * % intDiv modulo, comparisons, BETWEEN, IN, LIKE, AND OR NOT, if, lower, upper, "
    "concat, abs, greatest, least, toInt64"
)


@dataclass(frozen=True, slots=True)
class Grammar:
    """The rules, for the fields of one event."""

    fields: Mapping[str, FieldType]

    def term(self, node: exp.Expr, depth: int = 0) -> Term:
        """Judge and write a node. Raises ExpressionError."""
        if isinstance(node, exp.Paren) and isinstance(node.this, exp.Expr):
            return self.term(node.this, depth)
        if depth > MAX_DEPTH:
            raise ExpressionError(f"an expression is nested deeper than {MAX_DEPTH}")
        rule = _RULES.get(type(node))
        if rule is None or (isinstance(node, exp.Anonymous) and node.name not in _FUNCTIONS):
            raise ExpressionError(f"'{shown(node)}' is not allowed in an expression", _ALLOWED)
        parts, write = rule
        if any(value for key, value in node.args.items() if key not in parts):
            raise ExpressionError(f"'{shown(node)}' says more than is allowed in an expression", _ALLOWED)
        return write(self, node, depth + 1)

    def column(self, node: exp.Expr, _: int) -> Term:
        name = node.name
        if not isinstance(node.this, exp.Identifier) or name not in self.fields:
            raise ExpressionError(f"'{name}' is no field of the event", did_you_mean(name, self.fields))
        return Term(f'"{name}"' if name.upper() in _WORDS else name, COLUMN_TYPES[self.fields[name]])

    def numbers(self, nodes: list[exp.Expr], whole: exp.Expr, depth: int) -> list[Term]:
        terms = [self.term(n, depth) for n in nodes]
        if any(t.type == "String" for t in terms):
            raise ExpressionError(f"'{shown(whole)}' reckons with text")
        return terms

    def conditions(self, nodes: list[exp.Expr], whole: exp.Expr, depth: int) -> list[Term]:
        terms = [self.term(n, depth) for n in nodes]
        for node, term in zip(nodes, terms, strict=True):
            if term.type != "UInt8":
                raise ExpressionError(
                    f"'{shown(node)}' in '{shown(whole)}' is no condition", "compare something, such as type = 'paid'"
                )
        return terms

    def texts(self, nodes: list[exp.Expr], whole: exp.Expr, depth: int) -> list[Term]:
        terms = [self.term(n, depth) for n in nodes]
        if any(t.type != "String" for t in terms):
            raise ExpressionError(f"'{shown(whole)}' takes text only")
        return terms


def _arithmetic(sign: str) -> Callable[[Grammar, exp.Expr, int], Term]:
    def write(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
        terms = grammar.numbers([node.this, node.expression], node, depth)
        kind = "Float64" if any(t.type == "Float64" for t in terms) else "Int64"
        left, right = terms if kind == "Float64" else widen(terms)
        return Term(f"{left.operand} {sign} {right.operand}", kind, atom=False)

    return write


def _negative(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    (term,) = grammar.numbers([node.this], node, depth)
    if term.literal and not term.sql.startswith("-"):
        return replace(term, sql=f"-{term.sql}", atom=False)
    (wide,) = [term] if term.type == "Float64" else widen([term])
    return Term(f"-{wide.operand}", "Float64" if term.type == "Float64" else "Int64", atom=False)


def _absolute(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    (term,) = grammar.numbers([node.this], node, depth)
    if term.type == "Float64":
        return Term(f"abs({term.sql})", "Float64")
    return Term(f"toInt64(abs({term.sql}))", "Int64")  # the engine's abs of Int64 is UInt64


def _extreme(name: str) -> Callable[[Grammar, exp.Expr, int], Term]:
    def write(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
        terms, kind = common(grammar.numbers([node.this, *node.expressions], node, depth), node)
        return Term(f"{name}({', '.join(t.sql for t in terms)})", kind)

    return write


def _divide(name: str, nodes: list[exp.Expr], whole: exp.Expr, grammar: Grammar, depth: int) -> Term:
    if len(nodes) != 2:
        raise ExpressionError(f"'{name}' takes two arguments")
    left, right = grammar.numbers(nodes, whole, depth)
    if left.type == "Float64" or not right.literal or right.type != "Int64" or int(right.sql) < 1:
        raise ExpressionError(
            f"'{shown(whole)}': {name} takes a whole number and a literal above 0",
            "a divisor of 0 would stop the stream",
        )
    # the remainder's type is as small as its divisor, the quotient's that of the dividend
    return Term(f"{name}({left.sql}, {right.sql})", "Int64", wide=left.wide and name == "intDiv")


def _function(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    if node.name != "toInt64":
        return _divide(node.name, node.expressions, node, grammar, depth)
    if len(node.expressions) != 1:
        raise ExpressionError("'toInt64' takes one argument")
    (term,) = grammar.numbers(node.expressions, node, depth)
    if term.type == "Float64":
        raise ExpressionError("toInt64 takes whole numbers and conditions only")
    return Term(to_int64(term.sql, term.atom), "Int64")


def _compare(sign: str) -> Callable[[Grammar, exp.Expr, int], Term]:
    def write(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
        left, right = grammar.term(node.this, depth), grammar.term(node.expression, depth)
        if (left.type == "String") != (right.type == "String"):
            raise ExpressionError(f"'{shown(node)}' mixes text with numbers")
        return Term(f"{left.operand} {sign} {right.operand}", "UInt8", atom=False)

    return write


def _between(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    terms = [grammar.term(n, depth) for n in (node.this, node.args["low"], node.args["high"])]
    if len({t.type == "String" for t in terms}) > 1:
        raise ExpressionError(f"'{shown(node)}' mixes text with numbers")
    return Term(f"{terms[0].operand} BETWEEN {terms[1].operand} AND {terms[2].operand}", "UInt8", atom=False)


def _among(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    left, options = grammar.term(node.this, depth), [grammar.term(n, depth) for n in node.expressions]
    if not options or not all(o.literal for o in options):  # to the engine a lone name behind IN would be a table
        raise ExpressionError("IN takes a list of literals", "for instance type IN ('paid', 'created')")
    if any((o.type == "String") != (left.type == "String") for o in options):
        raise ExpressionError(f"'{shown(node)}' mixes text with numbers")
    if left.type != "Float64" and any(o.type == "Float64" for o in options):
        raise ExpressionError(f"'{shown(node)}' looks for a fraction among whole numbers")
    return _negated(node, f"{left.operand} IN ({', '.join(o.sql for o in options)})")


def _like(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    text, pattern = grammar.texts([node.this, node.expression], node, depth)
    if not pattern.literal or re.fullmatch(r"(?:[^\\]|\\.)*", node.expression.unnest().name, re.DOTALL) is None:
        raise ExpressionError(f"'{shown(node)}': LIKE takes a pattern in quotes that ends in no lone backslash")
    return _negated(node, f"{text.operand} LIKE {pattern.sql}")


def _negated(node: exp.Expr, sql: str) -> Term:
    return Term(f"NOT ({sql})" if node.args.get("negate") else sql, "UInt8", atom=False)


def _logic(word: str) -> Callable[[Grammar, exp.Expr, int], Term]:
    def write(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
        chain = list(node.flatten()) if isinstance(node, exp.Connector) else []
        return Term(f" {word} ".join(t.operand for t in grammar.conditions(chain, node, depth)), "UInt8", atom=False)

    return write


def _not(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    (term,) = grammar.conditions([node.this], node, depth)
    return Term(f"NOT {term.operand}", "UInt8", atom=False)


def _choice(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
    if not isinstance(node.args.get("false"), exp.Expr):
        raise ExpressionError(f"'{shown(node)}': if takes a condition and two values")
    (condition,) = grammar.conditions([node.this], node, depth)
    branches = [grammar.term(node.args[k], depth) for k in ("true", "false")]
    if {t.type for t in branches} == {"UInt8"}:
        return Term(f"if({condition.sql}, {branches[0].sql}, {branches[1].sql})", "UInt8", wide=False)
    terms, kind = common(branches, node)
    return Term(f"if({condition.sql}, {terms[0].sql}, {terms[1].sql})", kind)


def _text(name: str) -> Callable[[Grammar, exp.Expr, int], Term]:
    def write(grammar: Grammar, node: exp.Expr, depth: int) -> Term:
        terms = grammar.texts(node.expressions if name == "concat" else [node.this], node, depth)
        return Term(f"{name}({', '.join(t.sql for t in terms)})", "String")

    return write


_PAIR = frozenset({"this", "expression"})
_FUNCTIONS = ("intDiv", "modulo", "toInt64")
_Rule = tuple[frozenset[str], Callable[[Grammar, exp.Expr, int], Term]]
_RULES: dict[type[exp.Expr], _Rule] = {
    exp.Column: (frozenset({"this"}), Grammar.column),
    exp.Literal: (frozenset({"this", "is_string"}), lambda _, node, __: literal(node)),
    exp.Boolean: (frozenset({"this"}), lambda _, node, __: Term("true" if node.this else "false", "UInt8", wide=False)),
    exp.Add: (_PAIR, _arithmetic("+")),
    exp.Sub: (_PAIR, _arithmetic("-")),
    exp.Mul: (_PAIR, _arithmetic("*")),
    exp.Neg: (frozenset({"this"}), _negative),
    exp.Abs: (frozenset({"this"}), _absolute),
    exp.Greatest: (frozenset({"this", "expressions", "ignore_nulls"}), _extreme("greatest")),
    exp.Least: (frozenset({"this", "expressions", "ignore_nulls"}), _extreme("least")),
    exp.Mod: (
        _PAIR,
        lambda grammar, node, depth: _divide("modulo", [node.this, node.expression], node, grammar, depth),
    ),
    exp.Anonymous: (frozenset({"this", "expressions"}), _function),
    exp.EQ: (_PAIR, _compare("=")),
    exp.NEQ: (_PAIR, _compare("<>")),
    exp.GT: (_PAIR, _compare(">")),
    exp.GTE: (_PAIR, _compare(">=")),
    exp.LT: (_PAIR, _compare("<")),
    exp.LTE: (_PAIR, _compare("<=")),
    exp.Between: (frozenset({"this", "low", "high"}), _between),
    exp.In: (frozenset({"this", "expressions", "negate"}), _among),
    exp.Like: (frozenset({"this", "expression", "negate"}), _like),
    exp.And: (_PAIR, _logic("AND")),
    exp.Or: (_PAIR, _logic("OR")),
    exp.Not: (frozenset({"this"}), _not),
    exp.If: (frozenset({"this", "true", "false"}), _choice),
    exp.Lower: (frozenset({"this"}), _text("lower")),
    exp.Upper: (frozenset({"this"}), _text("upper")),
    exp.Concat: (frozenset({"expressions", "safe", "coalesce"}), _text("concat")),
}
