"""``stopline`` on the virtual camera: ``python -m tests.sources.virtual_node run picamera ...``."""

from __future__ import annotations

from tests.sources import virtual_camera

if __name__ == "__main__":
    virtual_camera.install()
    from edge.cli import main

    main()
