"""Writes the example of docs/event-format.md anew: ``python -m tests.event.make_example`` from the checkout's root."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from edge import event
from tests.cases import signing_key, unsigned

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "event-format.md"
EVENT = DOCS / "example-event.jsonl"
KEY = DOCS / "example-key.pem"
BLOCK = re.compile(r"```json\n(.*?)```", re.DOTALL)


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON for reading: short values on one line, a row of a table on a line of its own."""
    line = json.dumps(value, ensure_ascii=False)
    if len(line) + indent <= 100 or not isinstance(value, dict | list):
        return line
    pad = " " * (indent + 2)
    if isinstance(value, dict):
        inner = [f"{json.dumps(name)}: {laid_out(one, indent + 2)}" for name, one in value.items()]
        return "{\n" + ",\n".join(pad + one for one in inner) + "\n" + " " * indent + "}"
    return "[\n" + ",\n".join(pad + json.dumps(one) for one in value) + "\n" + " " * indent + "]"


def main() -> None:
    raw = event.sign(unsigned(), signing_key())
    EVENT.write_bytes(raw + b"\n")
    KEY.write_bytes(signing_key().public.pem)
    page = PAGE.read_text(encoding="utf-8")
    block = f"```json\n{laid_out(json.loads(raw))}\n```"
    PAGE.write_text(BLOCK.sub(lambda _: block, page, count=1), encoding="utf-8")


if __name__ == "__main__":
    main()
