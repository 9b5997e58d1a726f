"""Cards say what the record, the export and the benchmarks measured."""

import json
from pathlib import Path

import pytest

from tests.training import reddest
from training import cards
from training.__main__ import main

CARDS = Path(__file__).parents[2] / "models/cards"


def test_from_pictures_to_a_card_by_commands(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    tables = Path("tables.json")
    row = {"title": "Beside guessing", "columns": ["", "error"], "rows": [["guess", 0.25]]}
    tables.write_text(json.dumps([row]))

    main(["pack", recipe, "--shared", "."])
    main([recipe, "--steps", "12", "--device", "cpu", "--set", "batch=4", "--set", "ema=0.5"])
    main([recipe, "--steps", "3", "--device", "cpu", "--resume", f"runs/{recipe}"])
    main(["export", recipe])
    main(["card", recipe, "--tables", str(tables)])

    text = Path(f"models/cards/{recipe}.md").read_text()
    descriptor = json.loads(Path(f"models/weights/{recipe}.json").read_text())
    record = json.loads(Path(f"runs/{recipe}/record.json").read_text())
    assert descriptor["files"][f"{recipe}.safetensors"] in text
    assert text.startswith("# reddest\n\nA small real recipe")
    assert "| blocks | CC0 | 24 | 8 |" in text
    assert "The Tests" in text
    assert f"{record['best']['score']:.4g}" in text
    assert "batch 4" in text
    assert "| guess | 0.25 |" in text
    assert "It knows red alone." in text
    assert "processor alone" in text
    assert "no other network" in text
    assert "step 15" in capsys.readouterr().out or record["steps"] == 15


def test_a_card_can_be_written_again_from_its_facts(trained, exported, tmp_path):
    network = reddest.network(reddest.Config())
    facts = cards.facts(network, trained, exported / "reddest.json", [])
    path = cards.write("reddest", facts, tmp_path)

    again = json.loads((tmp_path / "reddest.json").read_text())

    assert cards.card(again) == path.read_text()


@pytest.mark.parametrize("path", sorted(CARDS.glob("*.json")), ids=lambda path: path.stem)
def test_cards_of_the_shipped_networks_are_as_their_facts_say(path):
    facts = json.loads(path.read_text(encoding="utf-8"))
    weights = json.loads((CARDS.parent / "weights" / path.name).read_text(encoding="utf-8"))

    assert cards.card(facts) == path.with_suffix(".md").read_text(encoding="utf-8")
    assert facts["descriptor"] == weights


@pytest.mark.parametrize(
    "arguments",
    [["no-such", "--steps", "1"], ["loop", "--steps", "1"], ["reddest"],
     ["reddest", "--steps", "1", "--minutes", "1"], ["reddest", "--steps", "1", "--set", "x=1"],
     ["pack", "no-such"]],
)  # fmt: skip
def test_wrong_commands(recipe, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err
