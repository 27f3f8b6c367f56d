"""nn.summary: counts against published numbers and closed forms; the model stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

import nn
import nn.models
from nn.summary import summary


def test_lenet():
    found = summary(nn.models.LeNet(), (1, 1, 32, 32))
    assert found.parameters == 61_706
    assert {row.path: row.parameters for row in found.rows if row.parameters} == {
        "": 61_706, "c1": 156, "c3": 2_416, "c5": 48_120, "f6": 10_164, "output": 850,
    }  # fmt: skip
    assert found.multiply_adds == 117_600 + 240_000 + 48_000 + 10_080 + 840
    assert found["c1"].output == (1, 6, 28, 28)
    assert found["c3"].receptive_field == (14, 14)
    assert found["c5"].receptive_field == (32, 32)
    assert found["f6"].receptive_field is None
    assert found.activations == sum(row.activations for row in found.rows if row.depth == 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "parameters", "multiply_adds"),
    [
        (nn.models.AlexNet, 61_100_840, 714_188_480),
        (nn.models.vgg16, 138_357_544, 15_470_264_320),
        (nn.models.resnet18, 11_689_512, 1_814_073_344),
        (nn.models.resnet50, 25_557_032, 4_089_184_256),
    ],
)
def test_published_counts(make, parameters, multiply_adds):
    found = summary(make(), (1, 3, 224, 224))
    assert found.parameters == parameters
    assert found.multiply_adds == multiply_adds


def test_the_tree_and_the_totals_are_printed():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()))
    text = str(summary(model, (4, 1, 5, 5)))
    lines = text.splitlines()
    assert lines[2].startswith("Sequential()")
    assert lines[3].startswith("├─ 0: Conv2d(1, 2")
    assert lines[4].startswith("└─ 1: Sequential()")
    assert lines[5].startswith("   ├─ 0: BatchNorm2d(2")
    assert lines[6].startswith("   └─ 1: ReLU()")
    assert "24 parameters (96 B): 24 trainable, 0 frozen; 5 buffer elements" in text
    assert "input 4×1×5×5" in text
    assert "BatchNorm2d" not in summary(model, (4, 1, 5, 5)).to_text(depth=1)


def test_frozen_shared_and_unused():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.used = nn.Linear(3, 3)
            self.again = self.used
            self.idle = nn.Linear(3, 2)
            self.idle.requires_grad_(False)

        def forward(self, x):
            return self.again(self.used(x))

    found = summary(Odd(), (2, 3))
    assert (found.parameters, found.trainable, found.frozen) == (20, 12, 8)
    assert found["used"].calls == 2
    assert found["used"].multiply_adds == 2 * 2 * 9
    assert found["idle"].output is None
    text = str(found)
    assert "not called" in text
    assert "8 frozen" in text
    assert "×2" in text


@pytest.mark.parametrize(
    ("layers", "field"),
    [
        ([nn.Conv2d(1, 1, 3), nn.Conv2d(1, 1, 3)], (5, 5)),
        ([nn.Conv2d(1, 1, 3, stride=2), nn.Conv2d(1, 1, 3)], (7, 7)),
        ([nn.Conv2d(1, 1, 3, dilation=2)], (5, 5)),
        ([nn.MaxPool2d(2), nn.Conv2d(1, 1, (1, 3))], (2, 6)),
        ([nn.AvgPool2d(3, stride=1), nn.ReLU()], (3, 3)),
    ],
)
def test_receptive_fields_are_those_that_gradients_see(layers, field):
    model = nn.Sequential(*layers)
    row = summary(model, (1, 1, 24, 24)).rows[-1]
    assert row.receptive_field == field
    from autograd import Tensor

    for parameter in model.parameters():
        parameter.data[...] = np.abs(parameter.data) + 0.1
    x = Tensor(np.random.default_rng(0).uniform(1, 2, (1, 1, 24, 24)), requires_grad=True)
    out = model.double()(x)
    middle = out.shape[-1] // 2
    seen = np.zeros((24, 24), bool)
    if any(isinstance(layer, nn.MaxPool2d) for layer in layers):
        return  # max pooling sees one element of each window only
    out[0, 0, out.shape[-2] // 2, middle].backward()
    seen = x.grad.numpy()[0, 0] != 0
    assert (np.ptp(np.nonzero(seen.any(1))) + 1, np.ptp(np.nonzero(seen.any(0))) + 1) == field


def test_branches_that_meet_give_the_larger_field():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(1, 1, 5, padding=2)

        def forward(self, x):
            return x + self.conv(x)

    assert summary(Skip(), (1, 1, 9, 9)).rows[0].receptive_field == (5, 5)


def test_the_model_stays_as_it_was():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    model[1].eval()
    before = {name: value.copy() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    summary(model, np.random.default_rng(0).normal(size=(6, 3)))
    assert [module.training for module in model.modules()] == modes
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(np.asarray(value), np.asarray(before[name]))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_several_and_integer_inputs():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(10, 4)

        def forward(self, i, x):
            return self.table(i) + x

    found = summary(Lookup(), np.array([1, 2]), np.ones((2, 4), np.float32))
    assert found.input == ((2,), (2, 4))
    assert found["table"].output == (2, 4)


def test_errors():
    with pytest.raises(TypeError, match="got function"):
        summary(lambda x: x, (1, 2))
    with pytest.raises(KeyError, match="no module 'x'"):
        summary(nn.Linear(2, 2), (1, 2))["x"]
