"""ClickHouse: the client, the ledger, and the writer that appends flushes."""
