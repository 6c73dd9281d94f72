"""What became of a replay or a simulation, in words."""

from __future__ import annotations

from deploy.feed.commands import ReplayReport
from deploy.feed.sender import SendReport


def sent_line(sent: SendReport) -> str:
    """How much was sent, how fast, and what Kafka did not take."""
    lost = "".join(f"; {n:,} not delivered: {reason}" for reason, n in sent.failures.items())
    return f"{sent.confirmed:,} records confirmed by Kafka in {sent.seconds:.1f} s ({sent.rate:,.0f}/s){lost}"


def replay_lines(done: ReplayReport) -> list[str]:
    """The same, and the rows that could not be used: how many, the first ten, and where all are kept."""
    lines = [sent_line(done.send)]
    if done.rejected:
        lines.append(f"{done.rejected:,} rows cannot be used and are kept in {done.reject_file}; the first:")
        lines += [f"  line {r.line}: {r.reason}: {r.text[:80]!r}" for r in done.first_rejects]
    return lines
