"""Read a ClickHouse HTTP request into a Job."""

import base64
import binascii
import uuid
from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import Request

from deploy.local.store.compression import decode_body
from deploy.local.store.engine import DEFAULT_DATABASE, Job
from deploy.local.store.errors import NOT_IMPLEMENTED, refused
from deploy.local.store.statement import parse

# Parameters of the protocol, not settings. Sessions are accepted and not kept: every statement stands alone.
_PROTOCOL = frozenset(
    """query database default_format user password query_id session_id session_timeout session_check close_session
    client_protocol_version wait_end_of_query buffer_size quota_key role stacktrace compress decompress
    readonly""".split()  # noqa: SIM905 -- a list of words reads better than 20 quoted ones
)
_READER = "reader"


def query_id_of(request: Request) -> str:
    """The caller's ``query_id``, or a new one."""
    return request.query_params.get("query_id") or str(uuid.uuid4())


def read_job(request: Request, body: bytes, query_id: str, table_functions: frozenset[str]) -> Job:
    """Raises StoreError for anything that cannot be run as asked."""
    # Bytes that are not UTF-8 survive in the statement: a string literal may hold them.
    arguments = dict(parse_qsl(request.url.query, keep_blank_values=True, errors="surrogateescape"))
    for name in ("compress", "decompress"):
        if arguments.get(name, "0") not in ("0", "false"):
            raise refused(NOT_IMPLEMENTED, "NOT_IMPLEMENTED", f"{name}=1: use Content-Encoding and Accept-Encoding")
    data = decode_body(body, request.headers.get("content-encoding"))
    statement = parse(arguments.get("query", "").encode("utf-8", "surrogateescape"), data, table_functions)
    headers = request.headers
    return Job(
        statement=statement,
        database=arguments.get("database") or headers.get("x-clickhouse-database") or DEFAULT_DATABASE,
        output_format=statement.output_format
        or arguments.get("default_format")
        or headers.get("x-clickhouse-format")
        or "TabSeparated",
        parameters={name[6:]: value for name, value in arguments.items() if name.startswith("param_")},
        settings={
            name: value
            for name, value in arguments.items()
            if name not in _PROTOCOL and not name.startswith(("param_", "x-clickhouse"))
        },
        read_only=_read_only(request.method, arguments.get("readonly", "0"), _user(request, arguments.items())),
        tag=query_id,
    )


def _read_only(method: str, asked: str, user: str) -> int:
    """0: may write. 1: reads only, keeps the settings given. 2: reads only, may set others in the statement."""
    if user == _READER or asked == "1":
        return 1
    return 2 if asked == "2" or method == "GET" else 0


def _user(request: Request, arguments: Iterable[tuple[str, str]]) -> str:
    scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials, validate=True).decode("utf-8", "replace").partition(":")[0]
        except binascii.Error:
            return ""
    return request.headers.get("x-clickhouse-user") or dict(arguments).get("user", "")
