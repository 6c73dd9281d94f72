"""What a caller may see. An argument of every read, compiled into its filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


class OutOfScope(LookupError):
    """Nothing of what was asked for may be seen; to the caller it does not exist."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Allowed values of some dimensions; a dimension that is not named is not restricted."""

    allowed: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def all(cls) -> Scope:
        """Everything."""
        return cls()

    @property
    def unrestricted(self) -> bool:
        """True when nothing is held back."""
        return not self.allowed

    def narrow(self, filters: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
        """The filters with this scope in them. Raises OutOfScope when a dimension has no value left."""
        narrowed = {d: tuple(v) for d, v in filters.items()}
        for dimension, allowed in self.allowed.items():
            asked = narrowed.get(dimension)
            left = tuple(sorted(allowed)) if asked is None else tuple(v for v in asked if v in allowed)
            if not left:
                raise OutOfScope(f"no such {dimension}")
            narrowed[dimension] = left
        return narrowed
