"""The engine's own settings file: who its one user is and what that user may do."""

from pathlib import Path
from xml.sax.saxutils import escape

# No SOURCES but READ ON FILE, and no engine that reaches outside: url(), s3(), remote(), mysql(), ENGINE = Kafka and
# so on are refused by the engine itself. READ ON FILE is there because a body is handed to the engine as a file (see
# ``body_file``); what clients write is held back by ``guard``.
_GRANTS = (
    "GRANT READ ON FILE",
    "GRANT CHECK, SHOW, SELECT, INSERT, ALTER, CREATE, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, KILL QUERY, dictGet, "
    "SYSTEM FLUSH, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM DROP CACHE ON *.*",
)
_USERS = """<clickhouse>
  <profiles><default>
    <implicit_select>0</implicit_select>
    <async_insert>0</async_insert>
  </default></profiles>
  <quotas><default/></quotas>
  <users><default>
    <password/>
    <networks><ip>::/0</ip></networks>
    <profile>default</profile>
    <quota>default</quota>
    <grants>{grants}</grants>
  </default></users>
</clickhouse>
"""
_SERVER = """<clickhouse>
  <users_config>{users}</users_config>
  <user_directories><users_xml><path>{users}</path></users_xml></user_directories>
</clickhouse>
"""


def write_config(directory: Path) -> Path:
    """Write ``config.xml`` and ``users.xml`` into ``directory``; return the path of the former. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True)
    users = directory / "users.xml"
    users.write_text(_USERS.format(grants="".join(f"<query>{escape(grant)}</query>" for grant in _GRANTS)), "utf-8")
    config = directory / "config.xml"
    config.write_text(_SERVER.format(users=escape(str(users))), "utf-8")
    return config
