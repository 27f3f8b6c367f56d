"""Transforms of arrays: values against formulas, types kept, inputs left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nn.data import Compose, Normalize, Pad, Standardizer, one_hot


@pytest.mark.parametrize("shape", [(2, 3), (1, 2, 3), (4, 1, 28, 28)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pad_puts_a_border_around_the_last_two_axes(shape, dtype):
    images = np.ones(shape, dtype)
    padded = Pad(2)(images)
    assert padded.shape == (*shape[:-2], shape[-2] + 4, shape[-1] + 4)
    assert padded.dtype == dtype
    np.testing.assert_array_equal(padded[..., 2:-2, 2:-2], images)
    assert padded.sum() == images.sum()


def test_pad_fill_zero_width_and_errors():
    assert Pad(1, fill=-1.5)(np.zeros((1, 1))).sum() == -1.5 * 8
    images = np.ones((2, 2))
    same = Pad(0)(images)
    same *= 0
    assert images.all()
    with pytest.raises(ValueError, match="padding >= 0, got -1"):
        Pad(-1)
    with pytest.raises(ValueError, match=r"\(\.\.\., H, W\), got shape \(3,\)"):
        Pad(1)(np.zeros(3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize_by_channel(dtype):
    images = np.random.default_rng(0).random((5, 3, 4, 2)).astype(dtype)
    before = images.copy()
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    result = Normalize(mean, std)(images)
    assert result.dtype == dtype
    for channel in range(3):
        np.testing.assert_allclose(
            result[:, channel], (before[:, channel] - mean[channel]) / std[channel], rtol=1e-5
        )
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(Normalize(mean, std)(images[0]), result[0])


def test_normalize_by_one_number():
    images = np.full((2, 3, 1, 1), 0.75)
    np.testing.assert_array_equal(Normalize(0.5, 0.25)(images), np.ones_like(images))


def test_normalize_errors():
    with pytest.raises(TypeError, match=r"got uint8; .*astype\(np.float32\) / 255"):
        Normalize(0.5, 0.5)(np.zeros((1, 1, 2, 2), np.uint8))
    with pytest.raises(ValueError, match=r"images of 3 channels.* got 1 channels"):
        Normalize([0.1, 0.2, 0.3], 1)(np.zeros((2, 1, 4, 4)))
    with pytest.raises(ValueError, match=r"images of 2 channels"):
        Normalize(0, [1, 2])(np.zeros((2, 3, 4, 4)))
    with pytest.raises(ValueError, match="without zeros"):
        Normalize(0, [1, 0])
    with pytest.raises(ValueError, match="C, H, W"):
        Normalize(0, 1)(np.zeros((4, 4)))
    with pytest.raises(ValueError, match=r"shape \(C,\)"):
        Normalize(np.zeros((3, 1, 1)), 1)


def test_compose_applies_in_order():
    assert Compose([lambda x: x + 1, lambda x: x * 10])(np.array([1])).tolist() == [20]
    x = np.ones(2)
    assert Compose([])(x) is x


TABLES = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6),
    elements=st.floats(-1e3, 1e3, allow_subnormal=False).map(lambda value: round(value, 3)),
)


@given(x=TABLES)
def test_standardized_training_data_have_mean_0_and_deviation_1(x):
    scaler = Standardizer()
    before = x.copy()
    assert scaler.fit(x) is scaler
    result = scaler.transform(x)
    np.testing.assert_allclose(result.mean(axis=0), 0, atol=1e-6)
    constant = np.ptp(x, axis=0) == 0
    np.testing.assert_allclose(result.std(axis=0)[~constant], 1, rtol=1e-6)
    assert not result[:, constant].any()
    np.testing.assert_allclose(scaler.inverse(result), x, rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(x, before)


def test_statistics_come_from_the_training_data():
    scaler = Standardizer().fit([[0.0, 5.0], [2.0, 5.0]])
    assert scaler.transform([[4.0, 6.0]]).tolist() == [[3.0, 1.0]]
    assert scaler([[4.0, 6.0]]).tolist() == [[3.0, 1.0]]
    assert scaler.inverse([[3.0, 1.0]]).tolist() == [[4.0, 6.0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_features_that_rounding_makes_look_variable_are_constant(dtype):
    x = np.full((10_001, 1), 0.1, dtype)
    assert not Standardizer().fit(x).transform(x).any()
    tiny = np.array([[0.0], [1e-200]])
    assert np.isfinite(Standardizer().fit(tiny).transform(tiny)).all()


def test_float32_statistics_are_exact_on_many_samples():
    x = (np.random.default_rng(0).random((200_000, 1)) + 1000).astype(np.float32)
    scaler = Standardizer().fit(x)
    np.testing.assert_allclose(scaler.mean, x.astype(np.float64).mean(axis=0, keepdims=True))
    np.testing.assert_allclose(scaler.std, x.astype(np.float64).std(axis=0, keepdims=True))


def test_statistics_per_channel():
    images = np.random.default_rng(0).random((6, 3, 4, 4))
    for axis in [(0, 2, 3), (0, -1, -2)]:
        result = Standardizer(axis=axis).fit(images).transform(images[:2])
        for channel in range(3):
            values = images[:, channel]
            expected = (images[:2, channel] - values.mean()) / values.std()
            np.testing.assert_allclose(result[:, channel], expected)


@pytest.mark.parametrize(
    ("given_dtype", "expected"),
    [
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.uint8, np.float32),
        (np.int64, np.float64),
        (np.bool_, np.float32),
    ],
)
def test_result_types(given_dtype, expected):
    x = np.array([[0, 1], [1, 1]]).astype(given_dtype)
    scaler = Standardizer().fit(x)
    result = scaler.transform(x)
    assert result.dtype == expected
    assert result.tolist() == [[-1, 0], [1, 0]]
    assert scaler.inverse(result).dtype == expected


def test_standardizer_errors():
    for method in (Standardizer().transform, Standardizer().inverse):
        with pytest.raises(RuntimeError, match=r"call fit\(training_data\) first"):
            method(np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"training data, got shape \(0, 3\)"):
        Standardizer().fit(np.zeros((0, 3)))
    scaler = Standardizer().fit(np.zeros((4, 3)))
    for shape in [(4, 2), (4, 1), (3,), (4, 3, 1)]:
        with pytest.raises(ValueError, match=r"expected shape \(N, 3\) as in fit, got") as caught:
            scaler.transform(np.zeros(shape))
        assert str(shape) in str(caught.value)


@given(
    labels=hnp.arrays(
        st.sampled_from([np.int64, np.uint8, np.int16]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
        elements=st.integers(0, 6),
    )
)
def test_one_hot_has_a_single_1_at_the_label(labels):
    encoded = one_hot(labels, 7)
    assert encoded.shape == (*labels.shape, 7)
    assert encoded.dtype == np.float32
    np.testing.assert_array_equal(encoded.sum(axis=-1), np.ones(labels.shape))
    np.testing.assert_array_equal(encoded.argmax(axis=-1), labels)


def test_one_hot_dtype_and_errors():
    assert one_hot([1], 2, dtype=np.int64).dtype == np.int64
    for wrong in (3, -1):
        with pytest.raises(ValueError, match=f"from 0 to 2 for num_classes=3, got {wrong}"):
            one_hot([0, wrong], 3)
    with pytest.raises(TypeError, match="got dtype float64"):
        one_hot([0.0, 1.0], 3)
