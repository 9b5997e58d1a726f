"""The documents agree with the code."""

import importlib.util
import re
from pathlib import Path

import pytest

from ipc.errors import CODES
from models import registry

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"


def test_operations_page_is_what_the_catalogue_says():
    spec = importlib.util.spec_from_file_location("operations", DOCS / "operations.py")
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)

    assert writer.PAGE.read_text(encoding="utf-8") == writer.page(), (
        "run: python docs/operations.py"
    )


def test_every_error_code_has_its_paragraph_and_every_paragraph_its_code():
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")

    assert sorted(re.findall(r"^### ([a-z-]+)$", text, re.M)) == sorted(CODES)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_error_code_is_raised_somewhere(code):
    rooms = ("ipc", "engine", "plugin_krita", "plugin_gimp")
    sources = [p for room in rooms for p in (REPOSITORY / room).rglob("*.py")]

    assert any(
        f'"{code}"' in p.read_text(encoding="utf-8") for p in sources if p.name != "errors.py"
    )


def test_the_page_on_networks_says_what_each_role_takes_and_gives():
    text = (DOCS / "networks.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", text, re.M))

    assert sorted(told) == sorted(network.role for network in registry.networks())
    for network in registry.networks():
        ports = (*network.inputs, *network.outputs)
        shapes = [(port.name, str(port.channels)) for port in ports]
        assert re.findall(r"`(\w+)` N × (\d+) ×", told[network.role]) == shapes


def test_links_between_the_documents_lead_somewhere():
    pages = [*DOCS.glob("*.md"), *REPOSITORY.glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"
