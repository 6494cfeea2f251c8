"""One measured figure beside its baseline and its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """What was measured. `ratio` is ours to the baseline's; a limit of None means that none was set."""

    what: str
    ours: float
    unit: str
    baseline: str = ""
    baseline_value: float | None = None
    ratio_max: float | None = None
    ratio_min: float | None = None
    value_max: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """Ours to the baseline's."""
        return self.ours / self.baseline_value if self.baseline_value else None

    @property
    def holds(self) -> bool | None:
        """Whether the limit holds; None where there is none or nothing to compare with."""
        checks = []
        if self.ratio is not None:
            checks += [self.ratio <= self.ratio_max] if self.ratio_max else []
            checks += [self.ratio >= self.ratio_min] if self.ratio_min else []
        checks += [self.ours <= self.value_max] if self.value_max else []
        return all(checks) if checks else None

    def _limit(self) -> str:
        if self.ratio_max:
            return f"ratio <= {self.ratio_max:g}"
        if self.ratio_min:
            return f"ratio >= {self.ratio_min:g}"
        return f"<= {self.value_max:g} {self.unit}" if self.value_max else ""

    def to_row(self) -> tuple[str, ...]:
        """Cells of the printed table."""
        theirs = "" if self.baseline_value is None else f"{self.baseline_value:.3g} {self.unit}"
        ratio = "" if self.ratio is None else f"{self.ratio:.2f}"
        verdict = ", ".join(filter(None, [{True: "holds", False: "MISSED", None: ""}[self.holds], self.note]))
        return self.what, f"{self.ours:.4g} {self.unit}", self.baseline, theirs, ratio, self._limit(), verdict

    def to_json(self) -> dict[str, Any]:
        """The figure for a machine."""
        return {
            "What": self.what,
            "Value": self.ours,
            "Unit": self.unit,
            "Baseline": self.baseline,
            "BaselineValue": self.baseline_value,
            "Ratio": self.ratio,
            "Limit": self._limit(),
            "Holds": self.holds,
            "Note": self.note,
        }
