"""The detector's classes and how those of the data sets and of COCO map onto them."""

from __future__ import annotations

CLASSES = ("car", "van", "truck", "bus", "motorcycle", "bicycle", "person")
CAR, VAN, TRUCK, BUS, MOTORCYCLE, BICYCLE, PERSON = range(len(CLASSES))
VEHICLES = (CAR, VAN, TRUCK, BUS, MOTORCYCLE, BICYCLE)

SOME_VEHICLE = -1
"""A vehicle whose class nobody told: the loss takes the class that the net itself favours."""
IGNORED = -2
"""A region where it is unknown whether there is an object: neither rewarded nor punished."""

COCO = {0: PERSON, 1: BICYCLE, 2: CAR, 3: MOTORCYCLE, 5: BUS, 7: TRUCK}
"""Index of a COCO class in the 80-class order → ours."""

DATASETS: dict[str, dict[int, int]] = {
    "road-views": {0: SOME_VEHICLE},
    "road-night-day": {0: MOTORCYCLE, 1: BUS, 2: CAR, 3: TRUCK},
    "junctions": {0: SOME_VEHICLE, 2: MOTORCYCLE},
    "rendered": {**{i: i for i in range(len(CLASSES))}, len(CLASSES): IGNORED},
}
"""Class index in a data set's label files → ours; the others (lamps, stop lines) are left out.

`junctions` calls trucks and buses cars too, and `road-views` knows one class only.
"""

NATURAL_ASPECT = {"road-views": 4 / 3, "junctions": 16 / 9}
"""Width over height before these sets' makers stretched every picture to a square."""
