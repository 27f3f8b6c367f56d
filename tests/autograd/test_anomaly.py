"""detect_anomaly: names the first operation, forward or backward, that gave a NaN or infinity."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from autograd import AnomalyError, Tensor, detect_anomaly, grad, primitive


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with np.errstate(all="ignore"):
        yield


def leaf(*values: float) -> Tensor:
    return Tensor(np.array(values), requires_grad=True)


def line() -> int:
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def test_forward_names_operation_line_shapes_and_ranges() -> None:
    x = Tensor([[4.0, -1.0, 9.0]], requires_grad=True)
    with detect_anomaly():
        expected = line() + 2
        with pytest.raises(AnomalyError) as caught:
            np.sqrt(x * 2)
    message = str(caught.value)
    assert message.startswith("sqrt gave 1 NaN among 3 values (shape (1, 3))")
    assert f"at {__file__}:{expected}" in message
    assert "input x: shape (1, 3), float64, from -2 to 18" in message
    assert "not the origin" not in message


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda x: 1 / (x - 1), "divide gave 1 infinite"),
        (lambda x: np.log(x - 1), "log gave 1 infinite"),
        (lambda x: np.exp(x * 1e6), "exp gave 2 infinite"),
        (lambda x: x * np.array([np.nan, 1.0]), "multiply gave 1 NaN"),
        (lambda x: np.concatenate([x, [np.inf]]), "concatenate gave 1 infinite"),
    ],
)
def test_what_went_wrong_first(operation: Any, name: str) -> None:
    with detect_anomaly(), pytest.raises(AnomalyError, match=name):
        operation(leaf(1.0, 2.0))


def test_backward_names_the_derivative() -> None:
    x = leaf(0.0, 4.0)
    with detect_anomaly():
        y = np.sqrt(x)
        expected = line() - 1
        with pytest.raises(AnomalyError) as caught:
            (y * 3).sum().backward()
    message = str(caught.value)
    assert message.startswith("the derivative of sqrt with respect to x gave 1 infinite")
    assert f"at {__file__}:{expected}" in message
    assert "gradient of its output: shape (2,), float64, from 3 to 3" in message
    assert "saved" in message
    assert x.grad is None


def test_a_nan_loss_never_passes() -> None:
    with detect_anomaly():
        with pytest.raises(AnomalyError, match="an input was not finite already"):
            leaf(np.nan).sum()
        loss = leaf(1.0) * 2
        with pytest.raises(AnomalyError, match="the gradient it was given was not finite"):
            loss.backward([np.nan])


def test_a_second_order_pass_is_watched() -> None:
    x = leaf(0.0)
    with detect_anomaly():
        y = x**1.5  # its second derivative is infinite at 0
        (g,) = grad(y, x, create_graph=True)
        with pytest.raises(AnomalyError):
            grad(g, x)


def test_the_module_is_named() -> None:
    nn = pytest.importorskip("nn")
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight.data[0, 0] = np.nan
    with detect_anomaly(), pytest.raises(AnomalyError, match=r"in model\.1: Linear\(in_features=2"):
        model(np.ones((1, 2)))


def test_infinities_may_be_allowed() -> None:
    with detect_anomaly(check_inf=False):
        y = 1 / leaf(0.0, 1.0)
        assert np.isinf(y.data[0])
        with pytest.raises(AnomalyError, match="1 NaN"):
            y * 0
    with pytest.raises(AnomalyError), detect_anomaly():
        1 / leaf(0.0)


def test_large_finite_values_are_no_anomaly() -> None:
    with detect_anomaly():
        y = leaf(1.5e308, 1.5e308) * 1  # their sum overflows, they do not
        (y * 1e-308).sum().backward()


def test_whole_numbers_and_empty_arrays_are_no_anomaly() -> None:
    with detect_anomaly():
        x = Tensor(np.zeros((0, 3)), requires_grad=True)
        (x * 2).sum().backward()
        leaf(1.0, 2.0)[np.array([0])].sum().backward()


def test_it_ends_with_the_block_and_nests() -> None:
    x = leaf(0.0)
    with pytest.raises(AnomalyError), detect_anomaly():
        1 / x
    assert np.isinf((1 / x).data[0])
    with detect_anomaly(check_inf=False), detect_anomaly(check_inf=False):
        1 / x

    @detect_anomaly()
    def watched() -> Any:
        return 1 / x

    with pytest.raises(AnomalyError):
        watched()
    assert np.isinf((1 / x).data[0])


def test_in_place_writes_are_watched() -> None:
    y = leaf(1.0, 2.0) * 1
    with detect_anomaly(), pytest.raises(AnomalyError, match="write gave 1 NaN"):
        y[0] = np.nan


def test_several_outputs() -> None:
    @primitive(outputs=("a", "b"))
    def both(x: Any, /) -> Any:
        return x * 1.0, x * 2.0

    @both.rule
    def _(g: Any) -> Any:
        return (g[0] + 2 * g[1]) / 0.0

    a, b = both(leaf(1.0))
    with detect_anomaly(), pytest.raises(AnomalyError, match="derivative of both"):
        (a + b).backward()


def test_nothing_changes_for_what_is_finite() -> None:
    def gradient() -> Any:
        x = leaf(0.5, 1.5)
        y = (np.exp(x) * np.sin(x)).sum()
        y.backward()
        return x.grad.data

    expected = gradient()
    with detect_anomaly():
        np.testing.assert_array_equal(gradient(), expected)
