"""Stopline: an edge node that records red-light violations by vehicles so that anyone can check them."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("stopline")
except PackageNotFoundError:  # a bare source tree, not installed
    __version__ = "0+unknown"
