"""The embedded store: one chDB directory behind ClickHouse's own HTTP interface, on loopback."""

from deploy.local.store.server import serve_store

__all__ = ["serve_store"]
