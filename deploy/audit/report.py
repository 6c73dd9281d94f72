"""What an audit found, as values and as lines to read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class PartitionFinding:
    """One partition: what Kafka holds, [first, end), what the ledger says of it, and every fault found."""

    topic: str
    partition: int
    first_offset: int
    end_offset: int
    counted_to: int
    flushes: int
    read: int
    counted: int
    duplicate: int
    too_late: int
    dead: int
    faults: tuple[str, ...] = ()

    @property
    def waiting(self) -> int:
        """Records Kafka holds that are not counted yet."""
        return max(self.end_offset - self.counted_to, 0)


@dataclass(frozen=True, slots=True)
class CubeFinding:
    """One cube and grain of one event: cells compared with the recount, how many differ, and examples of those."""

    event: str
    cube: str
    grain: str
    cells: int
    differing: int
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The whole audit. ``until``: empty when every pane was compared, else the time up to which (RFC 3339): events came
    in meanwhile, so only panes that no event can change any more were compared."""

    partitions: tuple[PartitionFinding, ...]
    cubes: tuple[CubeFinding, ...]
    lane_faults: tuple[str, ...] = ()
    until: str = ""
    seconds: float = field(default=0.0, compare=False)

    @property
    def faults(self) -> tuple[str, ...]:
        """Everything that is wrong, one line each."""
        cubes = [
            f"{c.event} in cube {c.cube} at {c.grain}: {c.differing} of {c.cells} cells differ from the recount"
            for c in self.cubes
            if c.differing
        ]
        return (*self.lane_faults, *(f for p in self.partitions for f in p.faults), *cubes)

    @property
    def clean(self) -> bool:
        """True when nothing is wrong."""
        return not self.faults

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "clean": self.clean,
            "until": self.until or None,
            "seconds": round(self.seconds, 3),
            "faults": list(self.faults),
            "partitions": [{**asdict(p), "waiting": p.waiting} for p in self.partitions],
            "cubes": [asdict(c) for c in self.cubes],
        }

    def lines(self) -> list[str]:
        """For people."""
        out = [
            f"{'partition':<34}{'counted to':>14}{'read':>12}{'counted':>12}{'duplicate':>11}{'too late':>10}{'dead':>8}{'waiting':>9}"
        ]
        out += [
            f"{p.topic + '-' + str(p.partition):<34}{p.counted_to:>14,}{p.read:>12,}{p.counted:>12,}"
            f"{p.duplicate:>11,}{p.too_late:>10,}{p.dead:>8,}{p.waiting:>9,}"
            for p in self.partitions
        ]
        out += [
            f"cells compared with a recount of the raw events{', panes before ' + self.until if self.until else ''}: "
            f"{sum(c.cells for c in self.cubes):,} in {len(self.cubes)} cubes and grains, {sum(c.differing for c in self.cubes):,} differ"
        ]
        for cube in self.cubes:
            out += [f"  {cube.event} {cube.cube} {cube.grain}: {e}" for e in cube.examples]
        out += [f"FAULT {f}" for f in self.faults]
        outcome = "clean: nothing lost, nothing counted twice" if self.clean else f"FAILED: {len(self.faults)} faults"
        out.append(f"audit {outcome} ({self.seconds:.1f} s)")
        return out
