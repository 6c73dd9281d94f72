"""What the api knows of the ledger: kept up by adding what is new, so that the whole is read only once. Immutable."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sinks.clickhouse.ledger import LedgerEntry, LedgerSums

COUNTS = ("read", "counted", "duplicate", "too_late", "dead")


@dataclass(frozen=True, slots=True)
class LedgerView:
    """Sums and last entries by (lane, topic)."""

    known: Mapping[tuple[str, str], LedgerSums] = field(default_factory=dict)

    @property
    def heads(self) -> dict[str, int]:
        """Lane -> the greatest seq seen."""
        heads: dict[str, int] = {}
        for (lane, _), sums in self.known.items():
            heads[lane] = max(heads.get(lane, 0), sums.seq)
        return heads

    @property
    def entries(self) -> list[LedgerEntry]:
        """The last entry of every topic in every lane."""
        return [s.last for s in self.known.values()]

    def with_new(self, found: Iterable[LedgerSums]) -> LedgerView:
        """This view and what was read beyond its heads."""
        known = dict(self.known)
        for new in found:
            old = known.get((new.lane, new.last.topic))
            known[new.lane, new.last.topic] = (
                new
                if old is None
                else LedgerSums(new.lane, new.seq, new.last, *(getattr(old, c) + getattr(new, c) for c in COUNTS))
            )
        return LedgerView(known)

    def counts(self) -> dict[str, dict[str, int]]:
        """Topic -> records by what became of them, since the beginning."""
        totals: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(COUNTS, 0))
        for sums in self.known.values():
            for count in COUNTS:
                totals[sums.last.topic][count] += getattr(sums, count)
        return dict(totals)
