"""Mutation tests of the pure modules: one change at a time in a copy of the package, and do the tests notice?"""

from __future__ import annotations

import argparse
import ast
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("rule", "phases", "passages")
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The changed copies of one node, each with what was done to it."""
    changed = copy.deepcopy(node)
    match changed:
        case ast.Compare(ops=[op]) if type(op) in _COMPARISONS:
            changed.ops = [_COMPARISONS[type(op)]()]
            yield "comparison", changed
        case ast.BoolOp():
            changed.op = ast.Or() if isinstance(changed.op, ast.And) else ast.And()
            yield "and/or", changed
        case ast.BinOp(op=op) if type(op) in _ARITHMETIC and not _annotates(changed):
            changed.op = _ARITHMETIC[type(op)]()
            yield "arithmetic", changed
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield "sign", changed.operand
        case ast.Constant(value=bool() as value):
            changed.value = not value
            yield "flag", changed
        case ast.Constant(value=int() | float() as value):
            changed.value = value + 1
            yield "number", changed


def _annotates(node: ast.BinOp) -> bool:
    return any(isinstance(part, ast.Constant) and part.value is None for part in (node.left, node.right))


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """Each mutant as its line, what was changed (before and after), and its whole source."""
    tree = ast.parse(source)
    for parent in ast.walk(tree):
        for name, value in list(ast.iter_fields(parent)):
            nodes = value if isinstance(value, list) else [value]
            for index, node in enumerate(nodes):
                if not isinstance(node, ast.expr) or name in {"annotation", "returns"}:
                    continue
                for kind, changed in changes(node):
                    replaced = [*nodes[:index], changed, *nodes[index + 1 :]]
                    setattr(parent, name, replaced if isinstance(value, list) else changed)
                    yield node.lineno, f"{kind}: {ast.unparse(node)} -> {ast.unparse(changed)}", ast.unparse(tree)
                    setattr(parent, name, value)


def survives(folder: Path, module: str) -> bool:
    """Whether the tests of a module and those of the whole core pass in the copy; a hang does not."""
    tests = [f"tests/core/test_{name}.py" for name in (module, "approach")]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", *tests]
    environment = {**os.environ, "PYTHONPATH": str(folder), "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> int:
    """Report the survivors; exit code 1 where there are any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, metavar="module", help=", ".join(MODULES))
    parser.add_argument("--limit", type=int, default=0, help="try only so many mutants a module, drawn at random")
    arguments = parser.parse_args()
    survivors = tried = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("edge", "tests/core"):
            shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
        shutil.copy(ROOT / "pyproject.toml", folder)
        shutil.copy(ROOT / "tests/conftest.py", folder / "tests")
        for module in arguments.modules:
            target = folder / "edge" / f"{module}.py"
            source = target.read_text()
            if not survives(folder, module):
                raise SystemExit(f"the tests of {module} fail before anything is changed: mend them first")
            found = list(mutants(source))
            if arguments.limit and len(found) > arguments.limit:
                found = random.Random(0).sample(found, arguments.limit)  # noqa: S311
            for line, what, text in found:
                target.write_text(text)
                tried += 1
                if survives(folder, module):
                    survivors += 1
                    print(f"edge/{module}.py:{line}: survives {what}", flush=True)
            target.write_text(source)
    print(f"{tried} mutants, {survivors} survived")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
