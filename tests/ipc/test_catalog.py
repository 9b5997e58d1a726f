"""The catalogue: entries hold together, and values are checked before any work."""

import importlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import operations
from ipc import catalog
from ipc.catalog import CATALOG
from ipc.errors import BAD_INPUT, CODES, FAILURES, LimnerError

every_operation = pytest.mark.parametrize("operation", CATALOG, ids=lambda entry: entry.id)


@every_operation
def test_entries_hold_together(operation):
    assert operation.primary.required
    assert all(p.check(p.default) == p.default for p in operation.parameters)
    names = [i.role for i in operation.inputs] + [p.name for p in operation.parameters]
    names += [output.role for output in operation.outputs[1:]]
    assert len(names) == len(set(names)), "each of these is an option on the command line"
    assert all(p.minimum < p.maximum for p in operation.parameters if p.kind in ("int", "float"))
    optional = {entry.role for entry in operation.inputs if not entry.required}
    assert all(optional.issuperset(p.overruled_by) for p in operation.parameters)


@every_operation
def test_every_entry_has_its_module(operation):
    module = operations.load(operation.id)

    assert callable(module.run)
    assert module.BYTES_PER_PIXEL > 0
    assert importlib.import_module(f"engine.operations.{operation.id.replace('-', '_')}") is module


def test_defaults_fill_in_what_is_not_given():
    flats = catalog.operation("flats")

    assert flats.check_params({"gap": 7}) == {
        "gap": 7,
        "unhinted": "neighbour",
        "mixed": "part",
        "edges": "hard",
        "under-lines": 0,
        "layers": "one",
        "show-gaps": False,
    }


def test_what_overrules_a_parameter_is_said():
    harmonize, recolor = map(catalog.operation, ("harmonize-palette", "recolor"))
    transfer = catalog.operation("transfer")

    assert harmonize.overruled([]) == recolor.overruled(["image", "links", "mask"]) == {}
    assert harmonize.overruled(["image", "links"]) == {
        "colors": "It has no effect as long as colours of the palette are changed or locked."
    }
    because = "It has no effect as long as there is a palette."
    assert harmonize.overruled(["palette"]) == {"method": because, "turn": because}
    assert "in common are changed or locked" in recolor.overruled(["common-links"])["colors"]
    assert recolor.overruled(["palette"]) == {"colors": because}
    assert "there is a selection or a mask" in transfer.overruled({"mask"})["subjects"]
    assert "there is a reference mask" in transfer.overruled({"reference-mask"})["subjects"]


def test_a_mask_of_the_reference_is_a_mask_but_not_of_the_document():
    transfer = catalog.operation("transfer")
    told = {i.role: (i.is_mask, i.is_of_document) for i in transfer.inputs}

    assert told == {
        "image": (False, True),
        "reference": (False, False),
        "mask": (True, True),
        "reference-mask": (True, False),
    }


@pytest.mark.parametrize(
    ("operation", "params", "code"),
    [
        ("flats", {"gaps": 3}, "unknown-parameter"),
        ("flats", {"gap": -1}, "bad-parameter"),
        ("flats", {"gap": 2.5}, "bad-parameter"),
        ("flats", {"gap": True}, "bad-parameter"),
        ("flats", {"gap": "3"}, "bad-parameter"),
        ("flats", {"unhinted": "red"}, "bad-parameter"),
        ("flats", {"unhinted": None}, "bad-parameter"),
        ("harmonize-palette", {"strength": math.nan}, "bad-parameter"),
        ("harmonize-palette", {"strength": math.inf}, "bad-parameter"),
        ("harmonize-palette", {"keep-neutrals": 1}, "bad-parameter"),
    ],
)
def test_wrong_parameters_are_refused_in_words(operation, params, code):
    with pytest.raises(LimnerError) as caught:
        catalog.operation(operation).check_params(params)

    assert caught.value.code == code
    assert caught.value.next_step.endswith((".", "%."))


@given(
    st.dictionaries(
        st.sampled_from(["gap", "unhinted", "edges", "layers", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.none()),
    )
)
def test_whatever_is_given_is_checked_or_refused(params):
    flats = catalog.operation("flats")
    try:
        checked = flats.check_params(params)
    except LimnerError as error:
        assert error.is_bad_input
    else:
        assert flats.check_params(checked) == checked


@pytest.mark.parametrize(
    ("roles", "code"),
    [
        ([], "missing-input"),
        (["scribbles"], "missing-input"),
        (["line-art", "hat"], "unknown-input"),
        (["line-art", "line-art"], "bad-message"),
    ],
)
def test_wrong_inputs_are_refused_in_words(roles, code):
    with pytest.raises(LimnerError) as caught:
        catalog.operation("flats").check_roles(roles)

    assert caught.value.code == code


@pytest.mark.parametrize(
    ("pictures", "masks", "links", "fits"),
    [
        (3, 0, 0, True),
        (3, 3, 3, True),
        (3, 1, 0, True),
        (3, 2, 0, False),
        (3, 0, 1, False),
        (1, 2, 0, False),
        (1, 1, 1, True),
    ],
)
def test_a_sets_inputs_come_one_for_each_picture(pictures, masks, links, fits):
    roles = ["image"] * pictures + ["mask"] * masks + ["links"] * links
    recolor = catalog.operation("recolor")
    assert recolor.takes_set
    if fits:
        recolor.check_roles(roles)
    else:
        with pytest.raises(LimnerError, match="for each picture"):
            recolor.check_roles(roles)


def test_an_unknown_operation_names_the_known_ones():
    with pytest.raises(LimnerError, match="flats"):
        catalog.operation("falts")


def test_every_code_is_either_bad_input_or_a_failure():
    assert not BAD_INPUT.keys() & FAILURES.keys()
    with pytest.raises(ValueError, match="unknown error code"):
        LimnerError("no-such-code", "", "")


@given(st.sampled_from(sorted(CODES)), st.text(), st.text())
def test_an_error_survives_the_wire(code, sentence, next_step):
    error = LimnerError(code, sentence, next_step)

    assert LimnerError.from_fields(error.to_fields()).to_fields() == error.to_fields()


def test_an_unknown_code_from_a_newer_engine_is_kept_as_words():
    error = LimnerError.from_fields({"code": "new", "sentence": "S.", "next_step": "N."})

    assert (error.code, str(error)) == ("internal", "S. N.")
