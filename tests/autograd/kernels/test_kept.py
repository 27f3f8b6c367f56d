"""What threads keep from call to call: used again, within limits, and as good as new."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from autograd.kernels import _kept, _shares, _threads, conv, conv_input_grad, conv_weight_grad
from autograd.kernels._settings import SETTINGS


class Space:
    def __init__(self, nbytes=10):
        self.nbytes = nbytes


def use(key, make=Space):
    """Take a space and put it back."""
    with _kept.Loan() as loan:
        return loan.take(key, make)


@pytest.fixture
def shelf(monkeypatch):
    """An empty one, in a thread that shares work with another."""
    monkeypatch.setattr(_kept, "_shelf", _kept._Shelf())
    monkeypatch.setattr(_kept, "at_once", lambda: True)
    monkeypatch.setattr(_kept, "thread_count", lambda: 2)
    monkeypatch.setattr(_kept, "_MOST_BYTES", 60)
    return _kept._shelf


def test_what_is_put_back_is_taken_again_by_one(shelf):
    with _kept.Loan() as one, _kept.Loan() as other:
        first, second = other.take("a", Space), one.take("a", Space)
        assert first is not second
        assert other.take("a", Space) is first  # as long as nothing else is asked for
    # one is enough
    with _kept.Loan() as one, _kept.Loan() as other:
        assert one.take("a", Space) is first
        assert other.take("a", Space) not in (first, second)
        assert (shelf.spaces, shelf.nbytes) == ({}, 0)


def test_another_key_puts_the_space_back(shelf):
    with _kept.Loan() as loan:
        first = loan.take("a", Space)
        loan.take("b", Space)
        assert list(shelf.spaces) == ["a"]
        assert loan.take("a", Space) is first
        assert list(shelf.spaces) == ["b"]
    assert list(shelf.spaces) == ["b", "a"]


def test_the_longest_unused_goes_first(shelf):
    for name in "abc":
        use(name)
    use("a")
    use("d")  # 60 bytes for two threads are three spaces
    assert list(shelf.spaces) == ["c", "a", "d"]
    use("large", lambda: Space(31))
    assert list(shelf.spaces) == ["c", "a", "d"]
    use("all", lambda: Space(30))
    assert (list(shelf.spaces), shelf.nbytes) == (["all"], 30)


def test_a_space_may_grow_while_it_is_lent(shelf):
    space = use("a")
    with _kept.Loan() as loan:
        assert loan.take("a", Space) is space
        space.nbytes = 20
    assert shelf.nbytes == 20


def test_threads_keep_their_own(shelf):
    use("a")
    found = []
    thread = threading.Thread(target=lambda: found.append(dict(_kept._shelf.spaces)))
    thread.start()
    thread.join()
    assert found == [{}]


def test_a_thread_alone_keeps_nothing(shelf, monkeypatch):
    monkeypatch.setattr(_kept, "at_once", lambda: False)
    use("a")
    assert not shelf.spaces


CASES = [  # images, channels, filters, spatial, kernel, stride, groups
    ((2, 6, 9, 9), (4, 6, 3, 3), (2, 2), 1),
    ((2, 6, 9, 9), (8, 6, 3, 3), (2, 2), 1),  # other filters for the same images
    ((4, 6, 12, 12), (6, 1, 3, 3), (1, 1), 6),
    ((3, 4, 7, 8), (3, 4, 2, 3), (1, 2), 1),
    ((9, 2, 3, 3), (5, 2, 3, 3), (1, 1), 1),
    ((2, 3, 40), (4, 3, 5), (3,), 1),
    ((2, 3, 5, 6, 5), (4, 3, 3, 3, 3), (2, 2, 2), 1),
]


def test_second_uses_are_as_good_as_first_ones(monkeypatch):
    monkeypatch.setattr(SETTINGS, "kernels", "numpy")
    monkeypatch.setattr(_kept, "_shelf", _kept._Shelf())
    rng = np.random.default_rng(0)

    def results(x, w, g, stride, groups):
        window = stride, ((1, 1),) * len(stride), (1,) * len(stride)
        return (
            conv(x, w, *window, groups),
            conv_input_grad(g, w, x.shape[2:], *window, groups),
            conv_weight_grad(g, x, w.shape[2:], *window, groups),
        )

    for _ in range(3):
        for shape, weight, stride, groups in CASES:
            x, w = rng.standard_normal(shape), rng.standard_normal(weight)
            window = stride, ((1, 1),) * len(stride), (1,) * len(stride)
            g = rng.standard_normal(conv(x, w, *window, groups).shape)
            alone = results(x, w, g, stride, groups)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(_shares, "_SHARED", 0)
                patch.setattr(SETTINGS, "threads", 2)
                together = results(x, w, g, stride, groups)
            for one, other in zip(alone, together):
                np.testing.assert_allclose(other, one, rtol=1e-12, atol=1e-12)
    assert len(_kept._shelf.spaces) > len(CASES)  # several uses of each
    assert not _threads.at_once()
