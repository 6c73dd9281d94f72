"""Cut a statement into tokens as ClickHouse's own lexer does: a rule must not look into strings and comments."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from deploy.local.store.errors import SYNTAX_ERROR, StoreError, refused

_TOKEN = re.compile(
    rb"""(?P<space>(?:[\s\x00]+|--[^\n]*|//[^\n]*|\#[^\n]*|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)+)
    |(?P<string>'(?:[^'\\]|\\.|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<word>[A-Za-z_$][\w$]*)
    |(?P<number>[0-9][\w.]*)
    |(?P<quoted>"(?:[^"\\]|\\.|"")*"|`(?:[^`\\]|\\.|``)*`)
    |(?P<punct>[!%&(-.:-@\[-_{-~]|/(?!\*))""",
    re.DOTALL | re.VERBOSE,
)


class Token(NamedTuple):
    """One token and its span in bytes.

    ``kind``: word, quoted (an identifier), string, number or punct. ``text``: of names unquoted and in lower case, of
    punctuation as written, else empty.
    """

    kind: str
    text: str
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """True for a bare word or a quoted identifier."""
        return self.kind in ("word", "quoted")


def tokens_of(sql: bytes) -> Iterator[Token]:
    """Yield the tokens of ``sql`` one by one, reading no further than asked.

    Raises StoreError for what the engine's lexer might read in another way than this one: nested comments,
    typographic quotes, unfinished strings.
    """
    position = 0
    for found in _TOKEN.finditer(sql):
        start, end = found.span()
        if start != position:
            break
        position = end
        kind = found.lastgroup
        if kind == "space":
            continue
        if kind == "word":
            yield Token("word", found[0].decode("ascii").lower(), start, end)
        elif kind == "punct":
            yield Token("punct", found[0].decode("ascii"), start, end)
        elif kind == "quoted":
            # An escape matters to a rule only when it spells a plain name in disguise, so the backslashes go.
            name = found[0][1:-1].replace(b"\\", b"").decode("utf-8", "replace")
            yield Token("quoted", name.lower(), start, end)
        else:
            yield Token("number" if kind == "number" else "string", "", start, end)
    if position < len(sql):
        raise _unreadable(sql, position)


def _unreadable(sql: bytes, position: int) -> StoreError:
    excerpt = sql[position : position + 40].decode("utf-8", "replace")
    return refused(
        SYNTAX_ERROR,
        "SYNTAX_ERROR",
        f"Syntax error: cannot read the statement from byte {position}: {excerpt!r}. Close every quote and comment, "
        "do not nest comments, and put anything that is not ASCII in quotes",
    )
