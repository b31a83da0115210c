"""What the node tries on itself before it may be armed: the detector on a known picture, the key, the outbox."""

from __future__ import annotations

import secrets
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np
from PIL import Image

from edge.errors import StoplineError, TpmError
from edge.geometry import iou
from edge.health import CheckName, Finding, Outcome
from edge.keys.jws import holds, sign_detached
from edge.records import Frame, VehicleClass

if TYPE_CHECKING:
    from numpy import uint8
    from numpy.typing import NDArray

    from edge.detector import Detector
    from edge.keys import SigningKey
    from edge.outbox import Outbox
    from edge.records import Box, Size

PICTURE: Final = "selftest.jpg"
CAR_SHARE: Final[Box] = (0.361, 0.446, 0.644, 0.902)  # where the car of the picture is, of its width and height
_LEAST_OVERLAP = 0.5


class KnownPicture:
    """The known picture in place of any that the detector would be fed, whatever part of it is asked for."""

    def __init__(self, size_px: Size) -> None:
        self._size_px = size_px
        with files("edge").joinpath(PICTURE).open("rb") as file:
            self._image = Image.open(file).convert("RGB")

    @property
    def size_px(self) -> Size:
        """The size that it passes itself off as having."""
        return self._size_px

    def scaled(self, size_px: Size, crop_px: tuple[int, int, int, int] | None = None) -> NDArray[uint8]:  # noqa: ARG002
        """All of it at ``size_px``, as BGR."""
        small = np.asarray(self._image.resize(size_px, Image.Resampling.BILINEAR))
        return np.ascontiguousarray(small[:, :, ::-1])


def self_test(detector: Detector, key: SigningKey, outbox: Outbox) -> Finding:
    """Try everything; the finding names the first thing that fails.

    Raises TpmError where a TPM does not answer: a finding would stand until the next start, and that may be over in a
    second.
    """
    try:
        words = _of_detector(detector) or _of_key(key) or _of_outbox(outbox)
    except TpmError:
        raise
    except StoplineError as error:
        words = str(error)
    if words is None:
        return Finding(CheckName.SELF_TEST, Outcome.OK, "The self test was passed.")
    return Finding(CheckName.SELF_TEST, Outcome.NOT_OK, f"The self test failed. {words}")


def _of_detector(detector: Detector) -> str | None:
    left, top, right, bottom = detector.region_px or (0, 0, *detector.grid_px)
    width, height = right - left, bottom - top
    x1, y1, x2, y2 = CAR_SHARE
    car = (left + x1 * width, top + y1 * height, left + x2 * width, top + y2 * height)
    for found in detector.detect(Frame(0, 0, KnownPicture(detector.grid_px))):
        if found.vehicle_class is not VehicleClass.PERSON and iou(found.box_px, car) >= _LEAST_OVERLAP:
            return None
    return (
        f"{detector.model.name} does not find the car in the known picture: give another detector, or install it anew."
    )


def _of_key(key: SigningKey) -> str | None:
    payload = secrets.token_bytes(32)
    if holds(sign_detached(payload, key), payload, key.public):
        return None
    return "What the node's key signs does not verify: look at the key file, or at the TPM."


def _of_outbox(outbox: Outbox) -> str | None:
    outbox.retry()  # a transaction that is written, and harmless
    return None
