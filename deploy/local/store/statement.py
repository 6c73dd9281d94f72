"""What a request asks for: one statement, and the data it inserts if it brings any."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from deploy.local.store.errors import BAD_ARGUMENTS, SYNTAX_ERROR, refused
from deploy.local.store.guard import check_tokens
from deploy.local.store.tokens import Token, tokens_of

_CACHED_BYTES = 1 << 15
_READS = frozenset(("select", "with", "from", "show", "describe", "desc", "explain", "exists", "check", "values", "("))


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement that passed the rules.

    ``sql`` has neither the trailing semicolon nor, when it brings data, the FORMAT clause; ``data_format`` is that
    clause's name, ``data`` the bytes behind it. ``verb`` is its first word. ``lane`` says whether it waits among the
    readers or the writers. ``output_format``: the FORMAT clause of a read. ``selects``: SELECT occurs in it.
    ``input_call`` is the span of ``input(...)`` in ``sql``, ``input_structure`` the span of its arguments.
    """

    sql: bytes
    verb: str
    lane: Literal["read", "write"]
    data_format: str | None = None
    data: bytes = b""
    output_format: str | None = None
    selects: bool = False
    input_call: tuple[int, int] | None = None
    input_structure: tuple[int, int] = (0, 0)

    def reading(self, path: str) -> bytes:
        """``sql`` with ``input(structure)`` replaced by reading the file ``path``, written in ``data_format``."""
        start, end = self.input_call or (0, 0)
        structure = self.sql[slice(*self.input_structure)]
        call = b"file('%s', '%s', %s)" % (path.encode(), (self.data_format or "").encode(), structure)
        return self.sql[:start] + call + self.sql[end:]


def parse(url_query: bytes, body: bytes, table_functions: frozenset[str]) -> Statement:
    """Read the statement of a request: ``url_query`` and ``body`` are one text, as on a server, joined by a newline.

    Raises StoreError when there is no statement or more than one, or when a rule refuses it.
    """
    if url_query and body:
        # Only an INSERT that ends in FORMAT is followed by data: look at the short text first, spare copying the body.
        statement = _parse_text(url_query, table_functions)
        if statement is not None and statement.data_format is not None:
            return replace(statement, data=statement.data + body)
        url_query += b"\n"
    statement = _parse_text(url_query + body if url_query else body, table_functions)
    if statement is None:
        raise refused(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: Empty query")
    return statement


def _parse_text(text: bytes, table_functions: frozenset[str]) -> Statement | None:
    if len(text) <= _CACHED_BYTES:
        return _parse_cached(text, table_functions)
    return _parse_anew(text, table_functions)


def _parse_anew(text: bytes, table_functions: frozenset[str]) -> Statement | None:
    source = tokens_of(text)
    tokens: list[Token] = []
    depth = 0
    end = len(text)
    data_format: str | None = None
    data = b""
    for token in source:
        if token.kind == "punct":
            depth += (token.text == "(") - (token.text == ")")
            if token.text == ";":
                _expect_nothing(source)
                end = token.start
                break
        tokens.append(token)
        if depth == 0 and token.kind == "word" and _starts_data(tokens):
            data_format = text[token.start : token.end].decode("ascii")
            end = tokens[-2].start
            data = text[_data_start(text, token.end) :]
            del tokens[-2:]
            break
    if not tokens:
        return None
    check_tokens(tokens, table_functions)
    verb = tokens[0].text
    call, structure = _find_input(tokens) if verb == "insert" else (None, (0, 0))
    return Statement(
        sql=text[:end],
        verb=verb,
        lane="read" if verb in _READS else "write",
        data_format=data_format,
        data=data,
        output_format=_output_format(text, tokens),
        selects=any(token.kind == "word" and token.text == "select" for token in tokens),
        input_call=call,
        input_structure=structure,
    )


_parse_cached = lru_cache(maxsize=128)(_parse_anew)  # callers that use parameters send the same few texts


def _expect_nothing(rest: Iterator[Token]) -> None:
    for token in rest:
        if token.text != ";":
            raise refused(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed)")


def _starts_data(tokens: list[Token]) -> bool:
    """True when the last two tokens are the FORMAT clause of an INSERT and data follows.

    ``FORMAT Values`` is read on as text: its rows are expressions, and the rules must see them. A column called
    "format" stands behind a comma, a dot, SELECT or AS, or in front of FROM.
    """
    if len(tokens) < 4 or tokens[0].text != "insert":
        return False
    before, keyword, name = tokens[-3:]
    return (
        keyword.kind == "word"
        and keyword.text == "format"
        and name.kind == "word"
        and name.text not in ("values", "from")
        and before.text not in (",", ".", "select", "as", "distinct")
    )


def _output_format(text: bytes, tokens: list[Token]) -> str | None:
    """The name behind FORMAT when it ends the statement, or stands in front of a last SETTINGS."""
    for index in range(len(tokens) - 2, 0, -1):
        if tokens[index].kind == "word" and tokens[index].text == "format":
            name, *after = tokens[index + 1 :]
            if name.kind == "word" and (not after or after[0].text == "settings"):
                return text[name.start : name.end].decode("ascii")
            return None
    return None


def _data_start(text: bytes, position: int) -> int:
    """Skip blanks, one semicolon and one line end behind the FORMAT clause, as the engine's parser does."""
    while position < len(text) and text[position] in b" \t\f":
        position += 1
    if text[position : position + 1] == b";":
        position += 1
    if text[position : position + 1] == b"\r":
        position += 1
    return position + (text[position : position + 1] == b"\n")


def _find_input(tokens: list[Token]) -> tuple[tuple[int, int] | None, tuple[int, int]]:
    """The spans of ``input(...)`` and of its arguments."""
    calls = [
        index
        for index, (token, after) in enumerate(pairwise(tokens))
        if token.kind == "word" and token.text == "input" and after.text == "("
    ]
    if not calls:
        return None, (0, 0)
    if len(calls) > 1:
        raise refused(BAD_ARGUMENTS, "BAD_ARGUMENTS", "input() can be read only once in a statement")
    first = calls[0]
    depth = 0
    for token in tokens[first + 1 :]:
        depth += (token.text == "(") - (token.text == ")") if token.kind == "punct" else 0
        if depth == 0:
            return (tokens[first].start, token.end), (tokens[first + 1].end, token.start)
    raise refused(SYNTAX_ERROR, "SYNTAX_ERROR", "Syntax error: the parenthesis after input is not closed")
