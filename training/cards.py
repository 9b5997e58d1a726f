"""Model cards: what a network is, from what it was trained and how good it is.

A card is written from figures alone: the training's record, the export's descriptor, and tables
that benchmarks measured. Its words come from the sources' docstrings.
"""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from training.export import Network

CURVE_ROWS = 12
Row = Sequence[Any]


def facts(network: Network, run: Path, weights: Path, tables: Iterable[Path]) -> dict[str, Any]:
    """All that a card says, as JSON.

    run: folder of the training, exported. weights: the descriptor that the export wrote. tables:
    JSON files with lists of {"title", "columns", "rows", "note"}.
    """
    descriptor = json.loads(weights.read_text(encoding="utf-8"))
    return {
        "text": inspect.getdoc(importlib.import_module(network.module)),
        "limits": network.limits,
        "origins": list(network.origins),
        "descriptor": descriptor,
        "bytes": {file: (weights.parent / file).stat().st_size for file in descriptor["files"]},
        "differences": json.loads((run / "export.json").read_text(encoding="utf-8")),
        "record": json.loads((run / "record.json").read_text(encoding="utf-8")),
        "tables": [table for path in tables for table in json.loads(path.read_text("utf-8"))],
    }


def card(facts: Mapping[str, Any]) -> str:
    """The card in Markdown."""
    descriptor, record = facts["descriptor"], facts["record"]
    sections = [
        f"# {descriptor['name']}",
        facts["text"],
        "## Network",
        _table(("", ""), _network(facts)),
        _table(("Input or output", "Channels", "Range", "Pixels per cell"), _ports(descriptor)),
        _table(
            ("Variant", "Graph", "Memory when loaded", "Memory per pixel", "torch - ONNX Runtime"),
            _variants(facts),
        ),
        "## Training",
        _table(("Hardware", "torch", "Precision", "Minutes", "Steps", "Samples"), _stages(record)),
        _settings(record),
        "## Validation",
        _curve(record),
        *_measured(facts["tables"]),
        "## Limits",
        *_limits(facts),
        "## Data",
        *_data(facts),
    ]
    return "\n\n".join(sections) + "\n"


def write(name: str, about: Mapping[str, Any], folder: Path) -> Path:
    """Writes NAME.md and NAME.json, from which it can be written again."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    path = folder / f"{name}.md"
    path.write_text(card(about), encoding="utf-8")
    return path


def _network(facts: Mapping[str, Any]) -> list[Row]:
    descriptor = facts["descriptor"]
    weights = descriptor["weights"]
    return [
        ("Version", descriptor["version"]),
        ("Licence", descriptor["licence"]),
        ("Parameters", f"{facts['record']['parameters'] / 1e6:.2f} million"),
        ("Weights", f"{weights}, {facts['bytes'][weights] / (1 << 20):.1f} MiB"),
        ("SHA-256", f"`{descriptor['files'][weights]}`"),
        ("Precision", descriptor["precision"]),
        ("Working size", f"{descriptor['working_size']} pixels"),
        ("Height and width", f"multiples of {descriptor['size_multiple']}"),
    ]


def _ports(descriptor: Mapping[str, Any]) -> list[Row]:
    return [
        (
            port["name"],
            port["channels"],
            "free" if port["range"] is None else "{:g} to {:g}".format(*port["range"]),
            port["stride"],
        )
        for port in [*descriptor["inputs"], *descriptor["outputs"]]
    ]


def _variants(facts: Mapping[str, Any]) -> list[Row]:
    return [
        (
            name,
            variant["graph"],
            f"{variant['memory']['fixed'] / (1 << 20):.0f} MiB",
            f"{variant['memory']['per_pixel']} bytes",
            f"{facts['differences'][name]:.1e}",
        )
        for name, variant in facts["descriptor"]["variants"].items()
    ]


def _stages(record: Mapping[str, Any]) -> list[Row]:
    return [
        (
            stage["hardware"],
            stage["torch"],
            stage["precision"],
            f"{stage['minutes']:.1f}",
            stage["steps"],
            stage["samples"],
        )
        for stage in record["stages"]
    ]


def _settings(record: Mapping[str, Any]) -> str:
    """The last stage's settings, then where earlier stages differed."""
    config = record["config"]
    sentences = ["Settings: " + _listed(config)]
    for number, stage in enumerate(record["stages"], 1):
        other = {name: value for name, value in stage["config"].items() if config[name] != value}
        if other:
            sentences.append(f"Stage {number}: " + _listed(other))
    return " ".join(sentences)


def _listed(config: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in config.items()) + "."


def _curve(record: Mapping[str, Any]) -> str:
    """The validation figures over the training, evenly thinned; the weights' row is bold."""
    curve, best = record["curve"], record["best"]
    kept = {round(i * (len(curve) - 1) / (CURVE_ROWS - 1)) for i in range(CURVE_ROWS)}
    rows = []
    for index, point in enumerate(curve):
        chosen = point["step"] == best["step"] and point["score"] == best["score"]
        if index in kept or chosen:
            cells = [_number(value) for value in point.values()]
            rows.append([f"**{cell}**" for cell in cells] if chosen else cells)
    return _table(list(curve[0]), rows)


def _measured(tables: Iterable[Mapping[str, Any]]) -> list[str]:
    sections = []
    for table in tables:
        rows = [[_number(cell) for cell in row] for row in table["rows"]]
        sections += [f"### {table['title']}", _table(table["columns"], rows)]
        sections += [table["note"].strip()] if table.get("note") else []
    return sections


def _limits(facts: Mapping[str, Any]) -> list[str]:
    hardware = [stage["hardware"] for stage in facts["record"]["stages"]]
    alone = all(name.endswith(("thread", "threads")) for name in hardware)
    first = ["It was trained on a processor alone: a first version."] if alone else []
    return first + ([facts["limits"]] if facts["limits"] else [])


def _data(facts: Mapping[str, Any]) -> list[str]:
    data = facts["record"]["data"]
    rows = [(row["set"], row["licence"], row["train"], row["validation"]) for row in data]
    attribution = [
        f"<details><summary>{row['set']}, {row['licence']}: authors</summary>\n\n"
        + "; ".join(row["authors"])
        + "\n\n</details>"
        for row in data
    ]
    origins = [f"Other networks' part: {'; '.join(facts['origins'])}."] if facts["origins"] else []
    files = _table(("Set", "Licence", "Files to train", "Files to validate"), rows)
    return [files, *origins, *attribution]


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(columns: Sequence[str], rows: Iterable[Row]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
