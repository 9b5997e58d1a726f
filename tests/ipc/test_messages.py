"""Messages and planes: what is written is read back, and nothing else gets through."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc import messages
from ipc.errors import LimnerError
from ipc.planes import DEPTH_BYTES, Plane, digest_of

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)
headers = st.dictionaries(
    st.text(max_size=12).filter(lambda key: key not in ("type", "frames")), json_values, max_size=6
)


@given(st.text(max_size=30), headers, st.lists(st.binary(max_size=200), max_size=8))
def test_a_message_is_read_as_it_was_written(kind, header, contents):
    frames = {digest_of(content): content for content in contents}

    message = messages.decode(messages.encode(kind, header, frames))

    assert message.type == kind
    assert header.items() <= message.header.items()
    assert message.frames == frames


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_anything_else_is_refused_in_one_way(parts):
    try:
        messages.decode(parts)
    except LimnerError as error:
        assert error.code == "bad-message"
    else:
        assert isinstance(json.loads(parts[0])["type"], str)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"[]"],
        [b"{}"],
        [b'{"type": 3}'],
        [b'{"type": "submit", "frames": ["a"]}'],
        [b'{"type": "submit", "frames": [1]}', b"x"],
        [b'{"type": "submit"}', b"x"],
        [b"[" * 100_000],
        [b'{"type": "hello"}' + b" " * messages.MAX_HEADER],
        [b'{"type": "hello"}'] + [b""] * (messages.MAX_FRAMES + 1),
    ],
)
def test_malformed_messages_are_refused(parts):
    with pytest.raises(LimnerError) as caught:
        messages.decode(parts)

    assert caught.value.code == "bad-message"


planes = st.builds(
    lambda width, height, channels, depth, fill, x, y, icc: Plane(
        "image",
        "Ebene 1",
        width,
        height,
        channels,
        depth,
        bytes([fill]) * (width * height * channels * DEPTH_BYTES[depth]),
        x,
        y,
        icc,
        {"group": ["a"]},
    ),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(1, 4),
    st.sampled_from(sorted(DEPTH_BYTES)),
    st.integers(0, 255),
    st.integers(-99, 99),
    st.integers(-99, 99),
    st.none() | st.binary(min_size=1, max_size=20),
)


@given(planes)
def test_a_plane_survives_its_description(plane):
    frames = {plane.digest: plane.data}
    if plane.icc is not None:
        frames[digest_of(plane.icc)] = plane.icc
    described = json.loads(json.dumps(plane.describe(plane.digest)))

    assert Plane.from_description(described, frames) == plane


@given(
    planes, st.sampled_from(["width", "height", "x", "channels", "depth", "digest"]), json_values
)
def test_a_wrong_description_is_refused(plane, name, value):
    described = dict(plane.describe(plane.digest), icc=None)
    if value == described[name]:
        return
    described[name] = value

    try:
        other = Plane.from_description(described, {plane.digest: plane.data})
    except LimnerError as error:
        assert error.code == "bad-message"
    else:
        assert other.byte_count == plane.byte_count


def test_a_description_lacking_a_field_is_refused():
    plane = Plane("image", "x", 1, 1, 1, "u8", b"a")
    for name in ("role", "name", "width", "digest", "depth"):
        described = plane.describe(plane.digest)
        del described[name]

        with pytest.raises(LimnerError):
            Plane.from_description(described, {plane.digest: plane.data})
