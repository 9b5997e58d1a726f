"""Writes docs/operations.md from the catalogue: `python docs/operations.py`."""

from pathlib import Path

from ipc.catalog import CATALOG, Operation, Parameter

PAGE = Path(__file__).with_suffix(".md")


def page() -> str:
    """The whole page."""
    head = """# Operations

Made from `ipc/catalog.py` by `python docs/operations.py`; do not edit it by hand.
"""
    return head + "".join(section(operation) for operation in CATALOG)


def section(operation: Operation) -> str:
    """One operation: its command, inputs, parameters and outputs."""
    primary = operation.primary.role
    target = "FOLDER" if operation.takes_set else "OUT"
    lines = [
        "",
        f"## {operation.title}",
        "",
        operation.summary,
        "",
        f"    limner {operation.id} {_required(operation)} [options] -o {target}",
        "",
        "| input | kind | | |",
        "|---|---|---|---|",
    ]
    for given in operation.inputs:
        need = "required" if given.required else "optional"
        need += ", several" if given.repeatable else ""
        role = f"`{primary.upper()}`" if given.role == primary else f"`--{given.role} FILE`"
        lines.append(f"| {role} | {given.kind} | {need} | {given.help} |")
    lines += ["", "| parameter | default | values | |", "|---|---|---|---|"]
    for parameter in operation.parameters:
        flag = f"`--{parameter.name}`"
        words = parameter.help + _overruled(parameter)
        lines.append(f"| {flag} | {_shown(parameter)} | {parameter.allowed()} | {words} |")
    lines += ["", "| output | kind | |", "|---|---|---|"]
    for output in operation.outputs:
        exact = " Never dithered." if output.exact else ""
        lines.append(f"| {output.role} | {output.kind} | {output.help}{exact} |")
    return "\n".join(lines) + "\n"


def _required(operation: Operation) -> str:
    """The inputs that the command cannot do without, as they are typed."""
    needed = [f"--{given.role} FILE" for given in operation.inputs[1:] if given.required]
    several = "…" if operation.takes_set else ""
    return " ".join([operation.primary.role.upper() + several, *needed])


def _overruled(parameter: Parameter) -> str:
    """Beside which inputs it has no effect."""
    roles = " or ".join(f"`--{role}`" for role in parameter.overruled_by)
    return f" No effect beside {roles}." if roles else ""


def _shown(parameter: Parameter) -> str:
    if parameter.kind == "bool":
        return "true" if parameter.default else "false"
    return f"{parameter.default:g}" if parameter.kind in ("int", "float") else parameter.default


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
