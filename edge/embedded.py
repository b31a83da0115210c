"""Where the detector that ships with the product lies."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def embedded_model() -> Path:
    """The TOML file of the embedded detector: inside an installed package, or in ``models/`` of a source tree."""
    installed = _PACKAGE / "embedded" / "stopline-s.toml"
    return installed if installed.exists() else _PACKAGE.parent / "models" / "stopline-s.toml"
