from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.verify.casefile import KEY, CaseFile, casefile

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("starlette", reason="the page's extra is not installed: pip install 'stopline[ui]'")


@pytest.fixture
def one_case(tmp_path: Path) -> CaseFile:
    return casefile(tmp_path / "site").finish()


@pytest.fixture
def replayed(tmp_path: Path, one_case: CaseFile) -> Path:
    """A folder as a replay leaves it, of one made-up case."""
    folder = tmp_path / "out"
    (folder / "evidence").mkdir(parents=True)
    (folder / "events.jsonl").write_bytes(one_case.event + b"\n")
    (folder / "node.pub.pem").write_bytes(KEY.public.pem)
    (folder / "evidence" / f"{one_case.document['id']}.tar").write_bytes(one_case.sent)
    return folder
