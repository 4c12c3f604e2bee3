import base64
import gzip

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from explorer.web.packing import block, raw_block, to_bytes, to_signed, to_whole

FLOATS = st.floats(-(2.0**90), 2.0**90, width=32, allow_subnormal=False)


@given(hnp.arrays(np.float32, (3, 7), elements=FLOATS))
def test_bytes_come_back_within_half_a_step_of_their_own_range(numbers: np.ndarray) -> None:
    made = to_bytes(numbers)
    span = (made.high - made.low).astype(np.float64)[:, None]
    back = made.low[:, None] + (made.values.astype(np.float64) - 1) / 254 * span
    assert (made.values > 0).all()
    assert (np.abs(back - numbers) <= span / 507 + np.abs(numbers) * 1e-6).all()


def test_what_is_not_finite_becomes_missing_and_does_not_widen_the_range() -> None:
    made = to_bytes(np.array([[np.nan, 1.0, 3.0, np.inf], [np.nan, np.nan, np.nan, -np.inf]]))
    assert made.values.tolist() == [[0, 1, 255, 0], [0, 0, 0, 0]]
    assert made.low.tolist() == [1.0, 0.0]
    assert made.high.tolist() == [3.0, 0.0]


def test_constant_numbers_are_there_and_not_missing() -> None:
    made = to_bytes(np.full((2, 3), 7.0))
    assert (made.values == 1).all()
    assert made.low.tolist() == made.high.tolist() == [7.0, 7.0]


@given(hnp.arrays(np.float32, (9, 3), elements=FLOATS))
def test_coordinates_come_back_within_a_step_of_each_axis(coordinates: np.ndarray) -> None:
    whole, low, high = to_whole(coordinates)
    back = low + whole.astype(np.float64) / 65535 * (high - low)
    assert (np.abs(back - coordinates) <= (high - low) / 65535 + np.abs(coordinates) * 1e-12).all()


def test_signed_bytes_keep_each_columns_scale() -> None:
    vectors = np.array([[1.0, -200.0, 0.0], [-0.5, 100.0, 0.0]])
    values, scale = to_signed(vectors)
    np.testing.assert_allclose(values * scale, vectors, atol=1.0)
    assert values[0].tolist() == [127, -127, 0]


def test_blocks_unpack_to_the_same_little_endian_numbers() -> None:
    numbers = np.arange(1000, dtype=">u4")
    made = block("n", numbers)
    raw = gzip.decompress(base64.b64decode(made.text))
    assert made.kind == "u4"
    assert np.frombuffer(raw, "<u4").tolist() == numbers.tolist()
    assert block("n", numbers).text == made.text
    assert base64.b64decode(raw_block("p", b"abc").text) == b"abc"
