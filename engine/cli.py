"""The command line: `limner OPERATION ...`, generated from the catalogue, and the engine's care."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipc
from engine import machine
from ipc import catalog
from ipc.catalog import Operation, Output, Parameter
from ipc.errors import LimnerError


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit status: 0, 2 for bad input, 1 for a failure inside."""
    arguments = _parser().parse_args(argv)
    for name, value in machine.MATRIX_THREADS.items():
        os.environ.setdefault(name, value)
    try:
        return int(arguments.handler(arguments) or 0)
    except LimnerError as error:
        print(f"limner: {error.sentence}\n{error.next_step}", file=sys.stderr)
        return 2 if error.is_bad_input else 1
    except KeyboardInterrupt:
        print("limner: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="limner", description="Colour for artists: colours line art and recolours pictures."
    )
    parser.add_argument("--version", action="version", version=f"limner {ipc.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for operation in catalog.CATALOG:
        _add_operation(commands, operation)
    _add_palette_command(commands)
    _add_engine_commands(commands)
    _add_models_commands(commands)
    _add_names_commands(commands)
    _add_install_commands(commands)
    return parser


Commands = argparse._SubParsersAction  # argparse has no public name for it


def _add_operation(commands: Commands[argparse.ArgumentParser], operation: Operation) -> None:
    command = commands.add_parser(
        operation.id, help=operation.summary, description=operation.summary
    )
    primary, takes_set = operation.primary, operation.takes_set
    command.add_argument(
        "primary",
        metavar=primary.role.upper(),
        type=Path,
        nargs="+" if takes_set else None,
        help=primary.help,
    )
    target = "FOLDER" if takes_set else "FILE"
    for given in operation.inputs[1:]:
        command.add_argument(
            f"--{given.role}",
            dest=f"input:{given.role}",
            type=Path,
            action="append",
            metavar="FILE",
            required=given.required,
            help=given.help,
        )
    for parameter in operation.parameters:
        _add_parameter(command, parameter)
    for output in extra_outputs(operation):
        command.add_argument(
            f"--{output.role}",
            dest=f"output:{output.role}",
            type=Path,
            metavar="FILE" if output.common else target,
            help=f"write as well: {output.help}",
        )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar=target,
        help="where the results go, under their pictures' names" if takes_set else "the result",
    )
    if not takes_set:
        several = command.add_mutually_exclusive_group()
        several.add_argument(
            "--flatten", action="store_true", help="write the picture as the editor would show it"
        )
        several.add_argument(
            "--split", action="store_true", help="write several layers to numbered files"
        )
    command.add_argument("--report", type=Path, metavar="FILE", help="write timings as JSON")
    command.set_defaults(handler=_run_operation, operation=operation)


def extra_outputs(operation: Operation) -> list[Output]:
    """The outputs beside the main one; each has an option of its own on the command line."""
    return list(operation.outputs[1:])


def _add_parameter(command: argparse.ArgumentParser, parameter: Parameter) -> None:
    unit = f" {parameter.unit}" if parameter.unit else ""
    text = f"{parameter.help} (default: {parameter.default}{unit})".replace("%", "%%")
    flag, dest = f"--{parameter.name}", f"param:{parameter.name}"
    if parameter.kind == "bool":
        command.add_argument(flag, dest=dest, action=argparse.BooleanOptionalAction, help=text)
    elif parameter.kind == "choice":
        command.add_argument(flag, dest=dest, choices=parameter.choices, help=text)
    else:
        number = int if parameter.kind == "int" else float
        command.add_argument(flag, dest=dest, type=number, metavar="N", help=text)


def _run_operation(arguments: argparse.Namespace) -> None:
    from engine import operate

    given = {name: value for name, value in vars(arguments).items() if value is not None}

    def named(prefix: str) -> dict[str, object]:
        return {n.removeprefix(prefix): v for n, v in given.items() if n.startswith(prefix)}

    asked: dict[str, Any] = {
        "inputs": named("input:"),
        "params": named("param:"),
        "extra": named("output:"),
        "report_file": arguments.report,
    }
    if arguments.operation.takes_set:
        pictures, folder = arguments.primary, arguments.output
        operate.run_set(arguments.operation, pictures=pictures, folder=folder, **asked)
        return
    form = "flat" if arguments.flatten else "split" if arguments.split else "layers"
    primary, output = arguments.primary, arguments.output
    operate.run_files(arguments.operation, primary=primary, output=output, form=form, **asked)


def _add_palette_command(commands: Commands[argparse.ArgumentParser]) -> None:
    palette = commands.add_parser(
        "palette", help="say what a palette's colours are, and convert it or keep a picture's"
    )
    palette.add_argument(
        "file", type=Path, metavar="FILE", help="a palette file, or a picture for its main colours"
    )
    palette.add_argument(
        "--colors",
        type=int,
        default=0,
        metavar="N",
        help="how many main colours of a picture, 1 to 7; 0 finds the number (default: 0)",
    )
    palette.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="write it: .gpl, .kpl, .ase, .aco, .act, .hex, .css, .txt, or a picture",
    )
    palette.set_defaults(handler=_palette)


def _palette(arguments: argparse.Namespace) -> None:
    from engine import palette_command
    from engine.imaging import palette_files

    palette = palette_command.palette_of(arguments.file, arguments.colors)
    print(palette_command.report(palette))
    if arguments.output:
        palette_files.save(arguments.output, palette)


def _add_engine_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    serve = commands.add_parser("serve", help="start the engine and stay until it ends")
    serve.add_argument(
        "--idle",
        type=float,
        default=30,
        metavar="MINUTES",
        help="end after this time without work; 0 never (default: 30)",
    )
    serve.set_defaults(handler=_serve)
    status = commands.add_parser("status", help="say whether an engine runs and what it does")
    status.add_argument("--json", action="store_true", help="print it as JSON")
    status.set_defaults(handler=_status)
    commands.add_parser("stop", help="end the running engine").set_defaults(handler=_stop)
    doctor = commands.add_parser("doctor", help="print everything that a bug report needs")
    doctor.set_defaults(handler=_doctor)
    demo = commands.add_parser("demo", help="colour the sample drawings and say where they are")
    demo.add_argument("-o", "--output", type=Path, default=Path("limner-demo"), metavar="FOLDER")
    demo.set_defaults(handler=_demo)


def _serve(arguments: argparse.Namespace) -> int:
    from engine.server import serve

    return serve(idle_seconds=arguments.idle * 60)


def _status(arguments: argparse.Namespace) -> None:
    from engine import operate

    with operate.connected() as client:
        status = client.status()
    if arguments.json:
        print(json.dumps(status, indent=2))
        return
    print(f"Limner {status['version']} runs on {status['device']} (process {status['pid']}).")
    for job in status["jobs"]:
        print(f"  {job['operation']} for {job['client']}: {job['state']}, {job['fraction']:.0%}")
    if not status["jobs"]:
        print("  It waits for work.")


def _stop(_: argparse.Namespace) -> None:
    from engine import operate

    with operate.connected() as client:
        client.shutdown()
    print("The engine has ended.")


def _doctor(_: argparse.Namespace) -> int:
    from engine import doctor

    text, healthy = doctor.examine()
    print(text)
    return 0 if healthy else 1


def _demo(arguments: argparse.Namespace) -> None:
    from engine import demo

    print(demo.run(arguments.output))


def _add_models_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    models = commands.add_parser("models", help="networks: list, verify, add and remove your own")
    actions = models.add_subparsers(title="commands", metavar="COMMAND", required=True)
    listing = actions.add_parser("list", help="which networks there are")
    listing.set_defaults(handler=_models_list)
    verify = actions.add_parser("verify", help="check digests, and results where torch is there")
    verify.set_defaults(handler=_models_verify)
    add = actions.add_parser("add", help="use an ONNX file of your own for a role")
    add.add_argument("file", type=Path, metavar="FILE", help="the network with its weights inside")
    add.add_argument("--role", required=True, metavar="ROLE", help="see 'limner models list'")
    add.set_defaults(handler=_models_add)
    remove = actions.add_parser("remove", help="go back to the built-in network")
    remove.add_argument("role", metavar="ROLE", help="the role that your own network has")
    remove.set_defaults(handler=_models_remove)


def _models_list(_: argparse.Namespace) -> None:
    from engine import models_command

    print(models_command.table())


def _models_verify(_: argparse.Namespace) -> int:
    from engine import models_command

    text, sound = models_command.verify()
    print(text)
    return 0 if sound else 1


def _models_add(arguments: argparse.Namespace) -> None:
    from engine import models_command

    print(models_command.add(arguments.file, arguments.role))


def _models_remove(arguments: argparse.Namespace) -> None:
    from engine import models_command

    print(models_command.remove(arguments.role))


def _add_names_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    names = commands.add_parser("names", help="name colours by a table of your own")
    actions = names.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add = actions.add_parser("add", help="use a table like van de Weijer's w2c.txt or w2c.mat")
    add.add_argument("file", type=Path, metavar="FILE", help="32768 lines of R G B p1 … p11")
    add.set_defaults(handler=_names_add)
    remove = actions.add_parser("remove", help="go back to Limner's own table")
    remove.set_defaults(handler=_names_remove)


def _names_add(arguments: argparse.Namespace) -> None:
    from engine import names_command

    print(names_command.add(arguments.file))


def _names_remove(_: argparse.Namespace) -> None:
    from engine import names_command

    print(names_command.remove())


def _add_install_commands(commands: Commands[argparse.ArgumentParser]) -> None:
    from engine.install import EDITORS

    for name, text in (("install", "put the plug-in into"), ("uninstall", "remove it from")):
        command = commands.add_parser(name, help=f"{text} Krita or GIMP")
        command.add_argument("editor", choices=EDITORS)
        command.add_argument(
            "--folder", type=Path, help="the editor's own folder, where it is an unusual one"
        )
        command.set_defaults(handler=_install if name == "install" else _uninstall)
    pack = commands.add_parser("package", help="make the zip that Krita imports")
    pack.add_argument("-o", "--output", type=Path, default=Path(), metavar="FOLDER")
    pack.set_defaults(handler=_package)


def _install(arguments: argparse.Namespace) -> None:
    from engine import demo, install

    for folder in install.install(arguments.editor, arguments.folder):
        print(f"Installed in {folder}")
    print("Compiling for this computer; the first time it takes some seconds.", file=sys.stderr)
    demo.compile_ahead()
    title = install.TITLES[arguments.editor]
    where = "Settings ▸ Dockers ▸ Limner" if arguments.editor == "krita" else "Filters ▸ Limner"
    print(f"Start {title} anew and look under {where}.")


def _uninstall(arguments: argparse.Namespace) -> None:
    from engine import install

    folders = install.uninstall(arguments.editor, arguments.folder)
    for folder in folders:
        print(f"Removed from {folder}")
    if not folders:
        print(f"{install.TITLES[arguments.editor]} has no Limner plug-in.")


def _package(arguments: argparse.Namespace) -> None:
    from engine import install

    print(f"Wrote {install.package(arguments.output)}")
    print("In Krita: Tools ▸ Scripts ▸ Import Python Plugin from File.")


if __name__ == "__main__":
    sys.exit(main())
