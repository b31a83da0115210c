"""Lamps read in the picture."""

from __future__ import annotations

from dataclasses import dataclass

from edge.records import Lamp


@dataclass(frozen=True, slots=True)
class LampReading:
    """What one frame shows of a group's lamps: True is lit, False dark, None not to be told."""

    t_ns: int
    group: str
    red: bool | None
    amber: bool | None
    green: bool | None

    def of(self, lamp: Lamp) -> bool | None:
        """One lamp's state."""
        return {Lamp.RED: self.red, Lamp.AMBER: self.amber, Lamp.GREEN: self.green}[lamp]
