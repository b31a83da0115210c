"""Where the files that ship with the product lie: inside an installed package, or in ``models/`` of a source tree."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent
_INSTALLED = _PACKAGE / "embedded"
_MODELS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "models"


def embedded_model() -> Path:
    """The TOML file of the embedded detector."""
    return _MODELS / "stopline-s.toml"


def described_models() -> dict[str, Path]:
    """The TOML files of public models that can be fetched, by name."""
    return {path.stem: path for path in sorted((_MODELS / "examples").glob("*.toml"))}
