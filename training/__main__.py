"""`python -m training`: packs, training, export and cards."""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import torch

from training import loop, sources

RUNS, PACKS = Path("runs"), Path("packs")
WEIGHTS, CARDS = Path("models/weights"), Path("models/cards")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command; a network's name alone means training it."""
    given = sys.argv[1:] if arguments is None else arguments
    commands = {"pack": pack, "export": export, "card": card}
    if given and given[0] in commands:
        commands[given[0]](given[1:])
    else:
        train(given)


def train(arguments: list[str]) -> None:
    """`NAME --minutes M --data PACKS --out DIR`: trains a network."""
    parser = parser_of("NAME", "Train a network. Others: pack, export, card.")
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument("--minutes", type=float)
    budget.add_argument("--steps", type=int)
    parser.add_argument("--data", type=Path, help="folder of packs (packs/NAME)")
    parser.add_argument("--out", type=Path, help="folder for the results (runs/NAME)")
    parser.add_argument("--resume", type=Path, help="folder of an earlier run to go on from")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--device", choices=["cpu", "cuda", "mps"])
    parser.add_argument("--threads", type=int, help="threads of the CPU")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network")
    options = parser.parse_args(arguments)
    module = recipe(parser, options.name)
    if options.threads:
        torch.set_num_threads(options.threads)
    config = loop.settings_of(module, options.resume) if options.resume else module.Config()
    try:
        config = loop.with_values(config, dict(pair.split("=", 1) for pair in options.set))
    except ValueError as error:
        parser.error(str(error))
    loop.train(
        module,
        config,
        options.data or PACKS / options.name,
        options.out or RUNS / options.name,
        loop.Budget(options.minutes, options.steps),
        resume=options.resume,
        device=options.device,
        compiled=options.compile,
    )


def pack(arguments: list[str]) -> None:
    """`pack NAME --out DIR`: writes the recipe's data as packs."""
    parser = parser_of("pack NAME", "Write a recipe's data as packs.")
    parser.add_argument("--out", type=Path, help="folder for the packs (packs/NAME)")
    parser.add_argument("--shared", type=Path, help="folder with data/ and weights/")
    options = parser.parse_args(arguments)
    module = recipe(parser, options.name)
    shared = options.shared or sources.data_folder().parent
    for path in module.pack(options.out or PACKS / options.name, shared):
        print(f"{path}  {path.stat().st_size / (1 << 20):.1f} MiB")


def export(arguments: list[str]) -> None:
    """`export NAME --from DIR`: writes the weights, graphs and descriptor that ship."""
    from training.export import export as write_network

    parser = parser_of("export NAME", "Write weights, graphs and descriptor of a trained network.")
    parser.add_argument("--from", dest="run", type=Path, help="folder of the training (runs/NAME)")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help=f"folder to write ({WEIGHTS})")
    options = parser.parse_args(arguments)
    run = options.run or RUNS / options.name
    module = recipe(parser, options.name)
    network = module.network(loop.settings_of(module, run))
    for variant, difference in write_network(options.name, network, run, options.to).items():
        print(f"{options.name} {variant}: torch and ONNX Runtime differ by {difference:.1e}")


def card(arguments: list[str]) -> None:
    """`card NAME --from DIR`: writes the model card."""
    from training import cards

    parser = parser_of("card NAME", "Write the model card of a trained and exported network.")
    parser.add_argument("--from", dest="run", type=Path, help="folder of the training (runs/NAME)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of the export")
    parser.add_argument("--to", type=Path, default=CARDS, help=f"folder to write ({CARDS})")
    parser.add_argument("--tables", type=Path, nargs="*", default=[], help="benchmarks' JSON")
    options = parser.parse_args(arguments)
    run = options.run or RUNS / options.name
    module = recipe(parser, options.name)
    network = module.network(loop.settings_of(module, run))
    descriptor = options.weights / f"{options.name}.json"
    print(
        cards.write(options.name, cards.facts(network, run, descriptor, options.tables), options.to)
    )


def parser_of(usage: str, description: str) -> argparse.ArgumentParser:
    """A parser that takes a network's name first."""
    parser = argparse.ArgumentParser(f"python -m training {usage}", description=description)
    parser.add_argument("name", metavar="NAME", help="e.g. select-subject")
    return parser


def recipe(parser: argparse.ArgumentParser, name: str) -> Any:
    """The recipe's module; ends the command where there is none."""
    module_name = f"training.{name.replace('-', '_')}"
    if importlib.util.find_spec(module_name) is None:
        parser.error(f"there is no recipe {name!r}")
    module = importlib.import_module(module_name)
    if getattr(module, "NAME", None) != name:
        parser.error(f"{module_name} is no recipe")
    return module


if __name__ == "__main__":
    main()
