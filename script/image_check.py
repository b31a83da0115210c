"""What rpi-image-gen would refuse of firmware-config/image, by its own rules in our words: called by firmware_check.py.

Its linter is part of its sources, which cannot be fetched where this runs; what was read of them stands in
rpi_image_gen.toml. Headers (fields, versions, rules, variables without a declaration), and for each config the layers
that it comes to: names, what only one may provide, what one must, variables and their values.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable

KNOWN = Path(__file__).with_name("rpi_image_gen.toml")
LAYER_FIELDS = {
    *(f"X-Env-Layer-{name}" for name in ("Name", "Desc", "Version", "Category", "Requires", "Provides", "Conflicts")),
    *(f"X-Env-Layer-{name}" for name in ("RequiresProvider", "AfterProvider", "Type", "Generator", "Sets")),
    *(f"X-Env-Var{name}" for name in ("Prefix", "Requires", "Requires-Valid", "Optional", "Optional-Valid")),
}
# Its documentation also names -Description; its parser knows -Desc and refuses the long form.
VARIABLE = re.compile(r"X-Env-Var-([a-z0-9_]+)(-(?:Desc|Required|Valid|Set|Triggers|Conflicts|Anchor))?")
SET_POLICIES = {"y", "n", "yes", "no", "true", "false", "1", "0", "immediate", "lazy", "force", "skip"}
VERSION = re.compile(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}")
HOOKS = {f"{phase}-hooks" for phase in ("setup", "extract", "essential", "customize", "cleanup")}
BODY = HOOKS | {"packages", "mirrors", "mode", "variant", "architectures", "suite", "aptopts", "dpkgopts", "keyrings"}
SIMPLE_RULES = {
    "string": r".+",
    "string-or-empty": r".*",
    "string-or-unset": r".+",
    "bool": r"(?i)true|false|yes|no|[10yn]",
    "int": r"[+-]?\d+",
    "size": r"\d+[kKMGs]?|[1-9]\d*%",
    "capacity": r"\d+([KMGT](iB)?)?",
    "file": r".+",
    "file-nzero": r".+",
    "dir": r".+",
}
OWN_SECTIONS = {"include", "env", "packages", "layer", "trait", "artefact"}
NEEDED = {"device.layer": ("rpi4", "rpi5"), "image.layer": ("image-rota",), "device.user1sudo": ("nopasswd", "passwd")}


@dataclass(frozen=True, slots=True)
class Layer:
    """What of a layer matters to others. ``variables``: those it declares, as section.name, with their rule."""

    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    required: tuple[str, ...] = ()


def image_problems(folder: Path) -> list[str]:
    """All that is wrong with the layers and configs below a folder."""
    known = tomllib.loads(KNOWN.read_text(encoding="utf-8"))
    layers = {name: _known_layer(one) for name, one in known["layer"].items()}
    variables = {
        f"{section}.{name}": rule for section, rules in known["variable"].items() for name, rule in rules.items()
    }
    problems = []
    for file in sorted((folder / "layer").glob("*.yaml")):
        text = file.read_text(encoding="utf-8")
        fields, wrong = header(text)
        problems += [f"{file.name}: {problem}" for problem in wrong + body_problems(yaml.safe_load(text) or {})]
        layers[fields.get("X-Env-Layer-Name", file.stem)] = _own_layer(fields)
    for file in sorted((folder / "config").glob("*.yaml")):
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        problems += [f"{file.name}: {problem}" for problem in config_problems(settings, layers, variables)]
    return problems


def header(text: str) -> tuple[dict[str, str], list[str]]:
    """A layer's fields, continued lines joined, and what is wrong with them."""
    found = re.search(r"^# METABEGIN\n(.*?)^# METAEND\n", text, re.DOTALL | re.MULTILINE)
    if found is None:
        return {}, ["no header between # METABEGIN and # METAEND"]
    fields: dict[str, str] = {}
    problems: list[str] = []
    last = ""
    for line in found[1].splitlines():
        content = line.removeprefix("#").removeprefix(" ")
        key, colon, value = content.partition(":")
        if not content.strip():
            continue
        if content.startswith((" ", "\t")) and last:
            fields[last] += " " + content.strip()
        elif not colon or not re.fullmatch(r"X-Env-[\w-]+", key):
            problems.append(f"{content!r} is no field, and no continued one, which begins with a space")
        else:
            fields[last := key] = value.strip()
    return fields, problems + _field_problems(fields)


def _field_problems(fields: dict[str, str]) -> list[str]:
    variables = {key: match for key in fields if (match := VARIABLE.fullmatch(key))}
    problems = [f"{key} is no field of a header" for key in fields if key not in LAYER_FIELDS and key not in variables]
    problems += [f"{key} is missing" for key in ("X-Env-Layer-Name", "X-Env-Layer-Version") if not fields.get(key)]
    if not VERSION.fullmatch(fields.get("X-Env-Layer-Version", "0.0.0")):
        problems.append("X-Env-Layer-Version is not of the form 1.2.3")
    if variables and "X-Env-VarPrefix" not in fields:
        problems.append("variables are declared, and X-Env-VarPrefix is missing")
    problems += [
        f"{key}: no such variable is declared" for key, one in variables.items() if f"X-Env-Var-{one[1]}" not in fields
    ]
    for key, value in fields.items():
        if key.endswith("-Set") and value not in SET_POLICIES:
            problems.append(f"{key} cannot be {value!r}")
        if key.endswith("-Valid"):
            rules = value.split(",") if key in LAYER_FIELDS else [value]
            problems += [f"{key}: {problem}" for rule in rules if (problem := rule_problem(rule.strip()))]
    return problems


def rule_problem(rule: str) -> str | None:
    """What is wrong with a validation rule; None where it is one."""
    kind, _, rest = rule.partition(":")
    if rule in SIMPLE_RULES or (kind in {"keywords", "list"} and rest):
        return None
    if kind == "int" and re.fullmatch(r"\+?\d+-\+?\d+", rest):
        return None
    if kind == "regex":
        try:
            re.compile(rest)
        except re.error as error:
            return f"{rest!r} is no regular expression ({error})"
        return None
    return (
        None
        if "," in rule and kind == rule
        else f"{rule!r} is no rule; one word alone is written with a comma behind it"
    )


def fits(value: str, rule: str) -> bool:
    """Whether a value may be so by a rule; one that is only known at the build is taken as it is."""
    if "${" in value or "$(" in value:
        return True
    kind, _, rest = rule.partition(":")
    if rule in SIMPLE_RULES:
        return re.fullmatch(SIMPLE_RULES[rule], value) is not None
    if kind == "int":
        least, most = rest.split("-")
        return value.isdigit() and int(least) <= int(value) <= int(most)
    if kind == "regex":
        return re.fullmatch(rest, value) is not None
    allowed = {word.strip() for word in (rest if kind in {"keywords", "list"} else rule).split(",")}
    return set(value.split(",") if kind == "list" else [value]) <= allowed


def body_problems(body: dict[str, Any]) -> list[str]:
    """What nobody reads below a layer's header."""
    unknown = set(body) - {"mmdebstrap", "env"} | set(body.get("mmdebstrap") or {}) - BODY
    return [f"nobody reads {name}" for name in sorted(unknown)]


def config_problems(settings: dict[str, Any], layers: dict[str, Layer], variables: dict[str, str]) -> list[str]:
    """What is wrong with one image: its layers and the values of its variables."""
    named = settings.get("layer", {})
    wanted = [*(named.values() if isinstance(named, dict) else named)]
    wanted += [settings[section]["layer"] for section in ("device", "image") if "layer" in settings.get(section, {})]
    built, problems = _closure(wanted, layers)
    problems += _provider_problems(built, layers)
    known = variables | {name: rule for one in built for name, rule in layers[one].variables.items()}
    values = {
        f"{section}.{name}": _as_text(value)
        for section, pairs in settings.items()
        if section not in OWN_SECTIONS
        for name, value in pairs.items()
    }
    problems += [f"no layer declares {name}" for name in sorted(set(values) - set(known))]
    problems += [
        f"{name} cannot be {value!r}"
        for name, value in values.items()
        if name in known and not fits(value, known[name])
    ]
    required = {name for one in built for name in layers[one].required}
    problems += [f"{name} is not set, and a layer requires it" for name in sorted(required) if not values.get(name)]
    problems += [f"{name} must be {' or '.join(may)}" for name, may in NEEDED.items() if values.get(name) not in may]
    return problems


def _as_text(value: object) -> str:
    """As rpi-image-gen reads it; YAML takes y and n for truth values in some readers, and words in others."""
    return {True: "y", False: "n"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _closure(wanted: Iterable[str], layers: dict[str, Layer]) -> tuple[set[str], list[str]]:
    """The layers that an image comes to, and those that nobody knows."""
    built: set[str] = set()
    problems = []
    waiting = list(wanted)
    while waiting:
        name = waiting.pop()
        if name in built:
            continue
        if name not in layers:
            problems.append(f"there is no layer {name}")
            continue
        built.add(name)
        waiting += layers[name].requires
    return built, problems


def _provider_problems(built: set[str], layers: dict[str, Layer]) -> list[str]:
    by_what: dict[str, list[str]] = {}
    for name in sorted(built):
        for what in layers[name].provides:
            by_what.setdefault(what, []).append(name)
    problems = [f"{' and '.join(names)} both provide {what}" for what, names in by_what.items() if len(names) > 1]
    missing = {(what, name) for name in built for what in layers[name].needs if what not in by_what}
    return problems + [f"{name} needs {what}, which no layer provides" for what, name in sorted(missing)]


def _known_layer(read: dict[str, Any]) -> Layer:
    return Layer(tuple(read.get("requires", ())), tuple(read.get("provides", ())), tuple(read.get("needs", ())))


def _own_layer(fields: dict[str, str]) -> Layer:
    def words(name: str) -> tuple[str, ...]:
        return tuple(word.strip() for word in fields.get(name, "").split(",") if word.strip())

    prefix = fields.get("X-Env-VarPrefix", "")
    declared = {match[1] for key in fields if (match := VARIABLE.fullmatch(key)) and not match[2]}
    rules = {f"{prefix}.{name}": fields.get(f"X-Env-Var-{name}-Valid", "string") for name in declared}
    required = tuple(name.removeprefix("IGconf_").replace("_", ".", 1) for name in words("X-Env-VarRequires"))
    needs = words("X-Env-Layer-RequiresProvider") + words("X-Env-Layer-AfterProvider")
    return Layer(words("X-Env-Layer-Requires"), words("X-Env-Layer-Provides"), needs, rules, required)
