"""Counters of a service, in the text form that Prometheus reads."""

from __future__ import annotations

import threading
from collections import defaultdict


class Metrics:
    """Count; any thread may."""

    def __init__(self) -> None:
        self._values: defaultdict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def add(self, name: str, amount: float = 1.0, label: str = "") -> None:
        """Add to a counter; a label is `key="value"`."""
        with self._lock:
            self._values[f"{name}{{{label}}}" if label else name] += amount

    def text(self, **gauges: float) -> str:
        """Return all counters and the gauges, a line each, with their types."""
        with self._lock:
            counters = dict(self._values)
        lines, typed = [], set()
        for name, value in sorted(counters.items()):
            bare = name.partition("{")[0]
            if bare not in typed:
                lines.append(f"# TYPE ctcasr_{bare} counter")
                typed.add(bare)
            lines.append(f"ctcasr_{name} {value:.10g}")
        for name, value in gauges.items():
            lines += [f"# TYPE ctcasr_{name} gauge", f"ctcasr_{name} {value:.10g}"]
        return "\n".join(lines) + "\n"


__all__ = ["Metrics"]
