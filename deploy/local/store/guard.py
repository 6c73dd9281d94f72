"""What the embedded store refuses to run, whoever asks: anything that reaches outside its own tables.

The engine runs inside our process with the rights of our user. Its grants (see ``engine_config``) already refuse
url(), s3(), remote() and the like; the rules here close what grants do not cover in an embedded engine: file() as a
scalar function, INFILE and OUTFILE, Python objects of the process, tables and dictionaries with a path of their own.
"""

import re
from collections.abc import Sequence

from deploy.local.store.errors import ACCESS_DENIED, StoreError, refused
from deploy.local.store.tokens import Token

# Table functions that read nothing but their arguments or the store's own tables. Every other one is refused,
# also one that a later engine brings.
_SAFE_TABLE_FUNCTIONS = frozenset(
    """dictionary format fuzzjson generaterandom generateseries generate_series input loop merge
    mergetreeanalyzeindexes mergetreeanalyzeindexesuuid mergetreecodecblockcounts mergetreeindex mergetreeprojection
    mergetreetextindex null numbers numbers_mt primes sqlstandardvalues timeseriesdata timeseriesmetricfamilies
    timeseriesmetrics timeseriessamples timeseriesselector timeseriestags values view viewexplain viewifpermitted
    zeros zeros_mt""".split()  # noqa: SIM905 -- a list of words reads better than 33 quoted ones
)
_SCALAR_READERS = frozenset(("file", "catboostevaluate", "evalmlmethod"))
# Sources of dictionaries, disks and targets of backups: not table functions, and yet they reach outside.
_OUTSIDE = frozenset(("disk", "http", "https", "executablepool", "clickhouse", "cassandra")) | _SCALAR_READERS
_SAFE_ENGINE = re.compile(
    r"\w*mergetree|memory|log|tinylog|stripelog|view|materializedview|null|buffer|set|join|merge|dictionary"
    r"|generaterandom|alias|atomic"
)
# Settings that name a file for the engine to read.
_FILE_SETTING = re.compile(r"format_template_|format_schema|google_protos_path")
_HIGHER_ORDER = re.compile(r"array|map|apply")


def check_setting(name: str) -> None:
    """Raise StoreError (497) when the setting ``name`` would make the engine read a file."""
    if _FILE_SETTING.match(name.lower()):
        raise _denied(f"the setting {name}")


def check_tokens(tokens: Sequence[Token], table_functions: frozenset[str]) -> None:
    """Raise StoreError (497) when the statement reaches outside the store.

    ``table_functions``: the names the engine knows, in lower case.
    """
    outside = (table_functions - _SAFE_TABLE_FUNCTIONS) | _OUTSIDE
    names = {token.text for token in tokens if token.is_name}
    for name in names:
        check_setting(name)
    if not names.isdisjoint(outside) or not names.isdisjoint(("infile", "outfile", "engine")):
        _check_places(tokens, outside)


def _check_places(tokens: Sequence[Token], outside: frozenset[str]) -> None:
    """The names alone do not tell (a column may be called ``url``): look at what stands beside them."""
    creates = tokens[0].text in ("create", "replace")
    callees: list[str] = []  # the name in front of each open parenthesis; a bare parenthesis inherits it
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        if token.kind == "punct":
            if token.text == "(":
                callees.append(before.text if before and before.is_name else (callees or [""])[-1])
            elif token.text == ")" and callees:
                callees.pop()
        elif token.text in outside and token.is_name:
            _check_call(token, before, after, (callees or [""])[-1])
        elif token.text in ("infile", "outfile") and before is not None and before.text in ("from", "into"):
            raise _denied(f"{before.text} {token.text}".upper())
        elif token.text == "engine" and creates and not callees:
            _check_table_engine(tokens[index + 1 : index + 3])


def _check_call(token: Token, before: Token | None, after: Token | None, callee: str) -> None:
    dot = (before is not None and before.text == ".") or (after is not None and after.text == ".")
    if dot:  # a column or a table of this name
        return
    if after is not None and after.text == "(":
        raise _denied(f"{token.text}()")
    # arrayMap(file, paths) and APPLY file call it without a parenthesis of its own.
    applied = before is not None and before.text == "apply"
    if token.text in _SCALAR_READERS and (applied or _HIGHER_ORDER.match(callee)):
        raise _denied(f"{token.text}()", " (write a column of that name with its table: t.name)")


def _check_table_engine(following: Sequence[Token]) -> None:
    engine = next((token.text for token in following if token.text != "="), "")
    if not _SAFE_ENGINE.fullmatch(engine):
        raise _denied(f"the engine {engine!r}")


def _denied(what: str, hint: str = "") -> StoreError:
    return refused(
        ACCESS_DENIED,
        "ACCESS_DENIED",
        f"{what} is refused: the embedded store reads and writes nothing but its own tables{hint}",
    )
