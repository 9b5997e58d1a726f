"""Profiles against LittleCMS in float64."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.imaging import icc
from ipc.errors import LimnerError
from tests.engine.imaging import profiles

UNSEEN = 0.1
"""CIEDE2000 that nobody sees: a tenth of a just noticeable difference."""
ALL = {**profiles.RGB, **profiles.GREY}
TABLED = ("sRGB table", "Display P3", "dot gain")
"""LittleCMS ends sampled curves at 1; we go on, so light above 1 has no reference there."""


def samples_for(name, peak=1.0):
    channels = 1 if name in profiles.GREY else 3
    samples = np.random.default_rng(7).random((channels, 4000), np.float32) * np.float32(peak)
    samples[:, :2] = [[0, peak]] * channels
    return samples


def bright(name):
    return 1.0 if name in TABLED else 16.0


def contiguous(array):
    return np.ascontiguousarray(array)


@pytest.mark.parametrize("name", ALL)
def test_decodes_like_littlecms(name):
    profile = icc.profile_of(ALL[name], 1 if name in profiles.GREY else 3)
    for peak in (1.0, bright(name)):
        samples = samples_for(name, peak)
        expected = profiles.reference_xyz(samples, ALL[name])
        found = profiles.srgb_xyz(contiguous(profile.decode(samples)))
        assert profiles.delta_e(expected, found).max() < UNSEEN
        assert np.allclose(found, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("name", ALL)
def test_encodes_like_littlecms(name):
    grey = name in profiles.GREY
    profile = icc.profile_of(ALL[name], 1 if grey else 3)
    colours = np.random.default_rng(8).random((3, 4000), np.float32)
    expected = profiles.srgb_xyz(colours)
    found = profiles.reference_xyz(profile.encode(colours), ALL[name])
    if grey:  # a grey profile keeps luminance alone
        expected = expected[:, 1:2] * profiles.srgb_xyz(np.ones((3, 1), np.float32))
    assert profiles.delta_e(expected, found).max() < UNSEEN


@pytest.mark.parametrize("name", ALL)
def test_light_above_white_and_colours_outside_srgb_come_back(name):
    profile = icc.profile_of(ALL[name], 1 if name in profiles.GREY else 3)
    samples = samples_for(name, bright(name))
    colours = contiguous(profile.decode(samples))
    assert np.isfinite(colours).all()
    returned = profiles.reference_xyz(profile.encode(colours), ALL[name])
    assert profiles.delta_e(profiles.reference_xyz(samples, ALL[name]), returned).max() < UNSEEN
    if name in ("linear Rec. 2020", "ProPhoto", "linear ACEScg", "Adobe RGB"):
        assert colours.min() < -0.1


@pytest.mark.parametrize("name", profiles.RGB)
def test_neutral_stays_neutral(name):
    grey = np.tile(np.linspace(0, 4, 100, dtype=np.float32), (3, 1))
    colours = icc.profile_of(profiles.RGB[name], 3).decode(grey)
    assert np.ptp(colours, axis=0).max() < 1e-3


def test_srgb_is_known_by_its_numbers():
    for name in ("sRGB", "sRGB table"):
        assert icc.profile_of(profiles.RGB[name], 3).is_srgb
    assert icc.profile_of(None, 3).is_srgb
    assert icc.profile_of(None, 1).is_srgb
    for name in ("linear sRGB", "Display P3", "Adobe RGB"):
        assert not icc.profile_of(profiles.RGB[name], 3).is_srgb
    assert icc.profile_of(profiles.RGB["linear sRGB"], 3).by_channel
    assert not icc.profile_of(profiles.RGB["Display P3"], 3).by_channel


def test_tables_go_through_littlecms_both_ways():
    profile = icc.profile_of(profiles.of_tables(), 3)
    assert isinstance(profile, icc.TableProfile)
    samples = samples_for("any") * np.float32(0.8) + np.float32(0.1)
    colours = profile.decode(samples)
    expected = profiles.reference_xyz(samples, profiles.of_tables())
    assert profiles.delta_e(expected, profiles.srgb_xyz(colours)).max() < UNSEEN
    # The tables hold sRGB, so they change nothing but what 33 grid points round away.
    assert np.abs(colours - samples).max() < 0.01
    returned = profiles.reference_xyz(profile.encode(colours), profiles.of_tables())
    assert profiles.delta_e(expected, returned).max() < 1.5


def parametric(function, *numbers):
    tag = b"para\0\0\0\0" + struct.pack(">H2x", function)
    return tag + struct.pack(f">{len(numbers)}i", *(round(n * 65536) for n in numbers))


CURVES = {
    "none": b"curv" + bytes(8),
    "gamma": b"curv" + bytes(4) + struct.pack(">IH", 1, round(1.8 * 256)),
    "rising": b"curv" + bytes(4) + struct.pack(">I5H", 5, 0, 2000, 9000, 30000, 65535),
    "falling": b"curv" + bytes(4) + struct.pack(">I3H", 3, 65535, 20000, 0),
    "0": parametric(0, 2.2),
    "1": parametric(1, 2.0, 1.25, -0.25),
    "2": parametric(2, 2.0, 0.9, -0.09, 0.19),
    "3": parametric(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    "4": parametric(4, 2.4, 0.9479, 0.05214, 0.07739, 0.04045, 0.01, 0.01),
}


@pytest.mark.parametrize("kind", CURVES)
def test_tone_curves_like_littlecms(kind):
    profile = profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": CURVES[kind]})
    samples = np.linspace(0, 1, 257, dtype=np.float32)[np.newaxis]
    expected = profiles.reference_xyz(samples, profile)[:, 1]
    found = icc.profile_of(profile, 1).decode(samples)[0]
    assert np.allclose(profiles.srgb_light(found), expected, atol=1e-4)


@pytest.mark.parametrize("kind", CURVES)
def test_tone_curves_are_undone(kind):
    profile = icc.profile_of(profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": CURVES[kind]}), 1)
    steps = np.linspace(0, 1 if kind == "falling" else 3, 301, dtype=np.float32)[np.newaxis]
    light = profile.decode(steps)
    assert np.allclose(profile.decode(profile.encode(contiguous(light))), light, atol=2e-5)
    if kind not in ("1", "2", "4", "falling"):  # those are flat or off zero at 0
        assert np.allclose(profile.decode(-steps), -light, atol=1e-6)


@given(st.floats(-70000, 70000, width=32))
def test_the_srgb_curve_is_its_own_inverse_at_any_size(value):
    light = np.array([value], np.float32)
    there_and_back = icc.SRGB.to_linear(icc.SRGB.from_linear(light))
    assert np.allclose(there_and_back, light, rtol=2e-5, atol=1e-9)


@pytest.mark.parametrize("space", [b"CMYK", b"Lab ", b"XYZ ", b"YCbr", b"HSV "])
def test_other_models_are_refused_with_a_way_out(space):
    profile = bytearray(profiles.RGB["sRGB"])
    profile[16:20] = space
    with pytest.raises(LimnerError, match="Convert the image or layer to RGB") as caught:
        icc.profile_of(bytes(profile), 3)
    assert caught.value.code == "unsupported-model"


EMPTY_TAGS = {f"{c}{t}".encode(): bytes(20) for c in "rgb" for t in ("TRC", "XYZ")}


@pytest.mark.parametrize(
    ("profile", "channels"),
    [
        (b"", 3),
        (b"no profile at all", 3),
        (bytes(200), 3),
        (profiles.RGB["sRGB"][:300], 3),
        (profiles.RGB["sRGB"], 1),
        (profiles.GREY["linear"], 3),
        (profiles.of_tables()[:50_000], 3),
        (profiles.with_tags(b"GRAY", b"XYZ ", {}), 1),
        (profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": parametric(0, 0)}), 1),
        (profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": parametric(1, 2, 0, 0)}), 1),
        (profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": parametric(9)}), 1),
        (profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": b"curv" + bytes(4) + b"\xff" * 8}), 1),
        (profiles.with_tags(b"GRAY", b"XYZ ", {b"kTRC": b"text" + bytes(12)}), 1),
        (
            profiles.with_tags(
                b"RGB ",
                b"XYZ ",
                {f"{c}{t}".encode(): bytes(20) for c in "rgb" for t in ("TRC", "XYZ")},
            ),
            3,
        ),
    ],
)
def test_unusable_profiles_say_so(profile, channels):
    with pytest.raises(LimnerError) as caught:
        icc.profile_of(profile, channels)
    assert caught.value.code == "bad-profile"


@settings(max_examples=200)
@given(st.integers(0, 511), st.binary(min_size=1, max_size=8))
def test_damage_gives_an_error_or_a_profile_never_a_crash(at, garbage):
    whole = profiles.RGB["sRGB"]
    damaged = whole[:at] + garbage + whole[at + len(garbage) :]
    try:
        profile = icc.profile_of(damaged, 3)
    except LimnerError:
        return
    assert profile.channels == 3
