"""Content encodings of HTTP bodies, as clickhouse-connect uses them."""

import gzip
import zlib
from collections.abc import Callable, Mapping

import lz4.frame
import zstandard

from deploy.local.store.errors import BAD_ARGUMENTS, refused

_SMALLEST_BYTES = 1024  # below this compressing costs more than it saves


def _zstd_decompress(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompressobj().decompress(data)


_DECODE: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
    "zstd": _zstd_decompress,
    "lz4": lz4.frame.decompress,
}
# Cheapest first: the other end is on the same machine.
_ENCODE: Mapping[str, Callable[[bytes], bytes]] = {
    "lz4": lz4.frame.compress,
    "zstd": zstandard.ZstdCompressor(level=1).compress,
    "gzip": lambda data: gzip.compress(data, compresslevel=1),
}


def decode_body(data: bytes, encoding: str | None) -> bytes:
    """Undo ``Content-Encoding``. Raises StoreError for an unknown encoding or a damaged body."""
    name = (encoding or "identity").strip().lower()
    if name in ("identity", "") or not data:
        return data
    if name not in _DECODE:
        raise refused(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"Content-Encoding {name}: use {', '.join(_DECODE)} or none")
    try:
        return _DECODE[name](data)
    except Exception as error:  # each library has exceptions of its own
        raise refused(BAD_ARGUMENTS, "BAD_ARGUMENTS", f"The body is not valid {name}: {error}") from error


def encode_body(data: bytes, accepted: str | None) -> tuple[bytes, str | None]:
    """Return the body to send and its ``Content-Encoding``, None for plain, for the header ``Accept-Encoding``."""
    if accepted and len(data) >= _SMALLEST_BYTES:
        names = {part.partition(";")[0].strip().lower() for part in accepted.split(",") if "q=0" not in part.split(";")}
        for name, encode in _ENCODE.items():
            if name in names:
                return encode(data), name
    return data, None
