"""Every module with arguments and inputs to try it on; the parity and difference tests read these.

Inputs are float64 and deterministic. A `spread` input has no two elements closer than 0.1, so that
maxima, kinks and thresholds stay where they are under a small step.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """A module's class, its arguments, and its inputs: arrays to differentiate, or constants."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[Any, ...] = ()
    training: bool = False
    second: bool = True  # whether second derivatives are compared, too

    def __str__(self) -> str:
        parts = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in self.kwargs.items()]
        mode = ",train" if self.training else ""
        shapes = ";".join("x".join(map(str, np.shape(i))) for i in self.inputs)
        return f"{self.name}({', '.join(parts)})[{shapes}{mode}]".replace("array", "")[:120]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def positive(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).uniform(0.1, 0.9, shape)


def spread(*shape: int, seed: int = 0) -> np.ndarray:
    """Distinct values of both signs, at least 0.1 apart, none near 0, ±0.5, ±1, ±3 or 6."""
    count = int(np.prod(shape))
    order = np.random.default_rng((seed, *shape)).permutation(count)
    return ((order - count / 2) * 0.13 + 0.0317).reshape(shape)


def classes(*shape: int, n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng((seed, *shape)).integers(0, n, shape)


def signs(*shape: int) -> np.ndarray:
    return np.where(normal(*shape, seed=9) > 0, 1.0, -1.0)


def case(name: str, *args: Any, on: Any = None, train: bool = False, **kwargs: Any) -> Case:
    second = kwargs.pop("second", True)
    inputs = on if isinstance(on, tuple) else (on,)
    return Case(name, args, kwargs, inputs, train, second)


IMAGES = normal(2, 4, 6, 5)
LINES = normal(2, 4, 9)
VOLUMES = normal(1, 2, 4, 5, 3)

LAYERS = [
    case("Identity", on=normal(2, 3)),
    case("Flatten", on=normal(2, 3, 2, 2)),
    case("Flatten", 0, 1, on=normal(2, 3, 2)),
    case("Unflatten", 1, (2, -1), on=normal(2, 6)),
    case("Linear", 4, 3, on=normal(5, 4)),
    case("Linear", 4, 3, bias=False, on=normal(2, 5, 4)),
    case("Linear", 4, 3, on=normal(4)),
    case("Bilinear", 3, 4, 2, on=(normal(5, 3), normal(5, 4))),
    case("Bilinear", 3, 4, 2, bias=False, on=(normal(2, 5, 3), normal(2, 5, 4))),
    case("Embedding", 7, 3, on=classes(2, 5, n=7)),
    case("Embedding", 7, 3, padding_idx=2, on=classes(2, 5, n=7)),
    case("Embedding", 7, 3, scale_grad_by_freq=True, on=classes(2, 5, n=7), second=False),
    case("Conv1d", 4, 6, 3, on=LINES),
    case("Conv1d", 4, 6, 3, stride=2, padding=2, dilation=2, groups=2, on=LINES),
    case("Conv1d", 4, 2, 4, padding="same", padding_mode="circular", on=LINES),
    case("Conv2d", 4, 3, 3, on=IMAGES),
    case("Conv2d", 4, 6, (3, 2), stride=(2, 1), padding=(1, 0), on=IMAGES),
    case("Conv2d", 4, 6, 3, padding=2, dilation=2, groups=2, bias=False, on=IMAGES),
    case("Conv2d", 4, 4, 3, padding="same", groups=4, on=IMAGES),
    case("Conv2d", 4, 2, 2, padding="valid", on=normal(4, 6, 5)),
    case("Conv2d", 4, 2, 3, padding=1, padding_mode="reflect", on=IMAGES),
    case("Conv2d", 4, 2, 3, padding=(2, 1), padding_mode="replicate", on=IMAGES),
    case("Conv2d", 4, 2, 4, padding="same", padding_mode="circular", on=IMAGES),
    case("Conv3d", 2, 3, 2, on=VOLUMES),
    case("Conv3d", 2, 2, (2, 3, 1), stride=(1, 2, 1), padding=(0, 1, 0), on=VOLUMES),
    case("ConvTranspose1d", 4, 3, 3, stride=2, padding=1, output_padding=1, on=LINES),
    case("ConvTranspose2d", 4, 3, 3, on=IMAGES),
    case("ConvTranspose2d", 4, 6, 3, stride=2, padding=1, groups=2, dilation=2, on=IMAGES),
    case("ConvTranspose2d", 4, 2, 2, stride=3, output_padding=(1, 2), bias=False, on=IMAGES),
    case("ConvTranspose3d", 2, 2, 2, stride=(1, 2, 1), on=VOLUMES),
    case("Unfold", (2, 3), dilation=(2, 1), padding=1, stride=(1, 2), on=IMAGES),
    case("Fold", (5, 4), (2, 3), padding=(1, 0), on=normal(2, 12, 12)),
    case("Fold", (5, 6), 2, stride=(1, 2), dilation=(2, 1), on=normal(2, 8, 9)),
]

POOLING = [
    case("MaxPool1d", 3, on=spread(2, 2, 9)),
    case("MaxPool1d", 3, stride=2, padding=1, dilation=2, on=spread(2, 2, 9)),
    case("MaxPool2d", 2, on=spread(2, 2, 6, 5)),
    case("MaxPool2d", 2, ceil_mode=True, on=spread(2, 2, 5, 5)),
    case("MaxPool2d", (3, 2), stride=(1, 2), padding=(1, 0), dilation=(1, 2), on=spread(2, 6, 5)),
    case("MaxPool2d", 2, stride=1, return_indices=True, on=spread(2, 2, 4, 4)),
    case("MaxPool3d", 2, on=spread(1, 2, 4, 4, 3)),
    case("MaxUnpool1d", 2, on=(normal(1, 2, 3), np.array([[[1, 2, 4], [0, 3, 5]]]))),
    case("MaxUnpool2d", 2, on=(normal(1, 1, 2, 2), np.array([[[[0, 3], [9, 14]]]]))),
    case("AvgPool1d", 3, stride=2, padding=1, on=LINES),
    case("AvgPool1d", 3, stride=2, padding=1, count_include_pad=False, on=LINES),
    case("AvgPool2d", 2, on=IMAGES),
    case("AvgPool2d", (3, 2), stride=2, padding=1, count_include_pad=False, on=IMAGES),
    case("AvgPool2d", 3, stride=2, ceil_mode=True, padding=1, on=IMAGES),
    case("AvgPool2d", 2, divisor_override=3, on=normal(4, 6, 5)),
    case("AvgPool3d", 2, on=VOLUMES),
    case("LPPool1d", 2, 3, on=LINES),
    case("LPPool2d", 3, 2, stride=1, on=positive(2, 3, 4, 4)),
    case("LPPool3d", 2, 2, on=VOLUMES),
    case("AdaptiveAvgPool1d", 4, on=LINES),
    case("AdaptiveAvgPool2d", (3, None), on=IMAGES),
    case("AdaptiveAvgPool2d", (4, 3), on=IMAGES),
    case("AdaptiveAvgPool2d", 1, on=normal(4, 6, 5)),
    case("AdaptiveAvgPool3d", (2, 3, 2), on=VOLUMES),
    case("AdaptiveMaxPool1d", 4, on=spread(2, 2, 9)),
    case("AdaptiveMaxPool2d", (4, 3), return_indices=True, on=spread(2, 2, 6, 5)),
    case("AdaptiveMaxPool3d", (2, 2, None), on=spread(1, 1, 4, 3, 2)),
]

_POINTS = spread(3, 8)
ACTIVATIONS = [
    case("ReLU", on=_POINTS),
    case("ReLU6", on=spread(10, 12)),
    case("LeakyReLU", 0.2, on=_POINTS),
    case("PReLU", on=_POINTS),
    case("PReLU", 8, 0.1, on=_POINTS),
    case("PReLU", 3, on=spread(2, 3, 4, 2)),
    case("RReLU", on=_POINTS),
    case("ELU", 0.7, on=_POINTS),
    case("CELU", 1.3, on=_POINTS),
    case("SELU", on=_POINTS),
    case("GELU", on=_POINTS),
    case("GELU", approximate="tanh", on=_POINTS),
    case("SiLU", on=_POINTS),
    case("Mish", on=_POINTS),
    case("Hardswish", on=spread(9, 9)),
    case("Hardsigmoid", on=spread(9, 9)),
    case("Hardtanh", on=_POINTS),
    case("Hardtanh", -0.4, 0.9, on=_POINTS),
    case("Hardshrink", 0.6, on=_POINTS),
    case("Softshrink", 0.6, on=_POINTS),
    case("Tanhshrink", on=_POINTS),
    case("Softplus", on=_POINTS),
    case("Softplus", 2.0, 1.5, on=_POINTS),
    case("Softsign", on=_POINTS),
    case("Sigmoid", on=_POINTS),
    case("LogSigmoid", on=_POINTS),
    case("Tanh", on=_POINTS),
    case("Threshold", 0.3, -2.0, on=_POINTS),
    case("GLU", on=_POINTS),
    case("GLU", 0, on=normal(4, 3)),
    case("Softmax", 1, on=_POINTS),
    case("LogSoftmax", -1, on=normal(2, 3, 4)),
    case("Softmin", 0, on=_POINTS),
    case("Softmax2d", on=normal(2, 3, 2, 2)),
]

NORMALIZATION = [
    case("BatchNorm1d", 4, on=normal(6, 4), train=True),
    case("BatchNorm1d", 4, on=LINES, train=True),
    case("BatchNorm2d", 4, on=IMAGES, train=True),
    case("BatchNorm2d", 4, on=IMAGES),
    case("BatchNorm2d", 4, eps=1e-3, momentum=None, on=IMAGES, train=True),
    case("BatchNorm2d", 4, momentum=0.3, affine=False, on=IMAGES, train=True),
    case("BatchNorm2d", 4, track_running_stats=False, on=IMAGES),
    case("BatchNorm3d", 2, on=VOLUMES, train=True),
    case("LayerNorm", 5, on=IMAGES),
    case("LayerNorm", (6, 5), eps=1e-3, bias=False, on=IMAGES),
    case("LayerNorm", (4,), elementwise_affine=False, on=normal(3, 4)),
    case("GroupNorm", 2, 4, on=IMAGES),
    case("GroupNorm", 1, 4, affine=False, on=normal(3, 4)),
    case("InstanceNorm1d", 4, on=LINES, train=True),
    case("InstanceNorm2d", 4, affine=True, on=IMAGES, train=True),
    case("InstanceNorm2d", 4, track_running_stats=True, on=IMAGES, train=True),
    case("InstanceNorm2d", 4, track_running_stats=True, on=IMAGES),
    case("InstanceNorm2d", 4, on=normal(4, 6, 5)),
    case("InstanceNorm3d", 2, on=VOLUMES),
    case("RMSNorm", 5, on=IMAGES),
    case("RMSNorm", (6, 5), eps=1e-2, elementwise_affine=False, on=IMAGES),
    case("LocalResponseNorm", 2, on=IMAGES),
    case("LocalResponseNorm", 3, alpha=0.5, beta=0.6, k=2.0, on=IMAGES),
]

_X, _T = normal(5, 4), normal(5, 4, seed=1)
_LOGITS, _LABELS = normal(6, 4), classes(6, n=4)
_W4 = positive(4, seed=3)
_P, _Q = positive(5, 4), positive(5, 4, seed=1)
_BITS = (positive(5, 4, seed=2) > 0.5).astype(float)


def losses(name: str, on: tuple[Any, ...], *args: Any, **kwargs: Any) -> list[Case]:
    """One case for each reduction."""
    return [
        case(name, *args, on=on, reduction=reduction, **kwargs)
        for reduction in ("mean", "sum", "none")
    ]


LOSSES = [
    *losses("MSELoss", (_X, _T)),
    *losses("L1Loss", (_X, _T)),
    *losses("SmoothL1Loss", (_X, _T), beta=0.7),
    *losses("HuberLoss", (_X, _T), delta=0.8),
    *losses("CrossEntropyLoss", (_LOGITS, _LABELS)),
    *losses("CrossEntropyLoss", (_LOGITS, _LABELS), weight=_W4),
    *losses("CrossEntropyLoss", (_LOGITS, _LABELS), ignore_index=1, weight=_W4),
    *losses("CrossEntropyLoss", (_LOGITS, _LABELS), label_smoothing=0.2),
    *losses(
        "CrossEntropyLoss", (_LOGITS, _LABELS), label_smoothing=0.2, weight=_W4, ignore_index=0
    ),
    *losses("CrossEntropyLoss", (_LOGITS, positive(6, 4))),
    *losses("CrossEntropyLoss", (_LOGITS, positive(6, 4)), weight=_W4, label_smoothing=0.1),
    *losses("CrossEntropyLoss", (normal(2, 4, 3, 2), classes(2, 3, 2, n=4)), weight=_W4),
    *losses("CrossEntropyLoss", (normal(2, 4, 3), positive(2, 4, 3)), weight=_W4),
    case("CrossEntropyLoss", on=(normal(4), np.array(2))),
    *losses("NLLLoss", (_LOGITS, _LABELS), weight=_W4),
    *losses("NLLLoss", (normal(2, 4, 3), classes(2, 3, n=4)), ignore_index=2),
    *losses("BCELoss", (_P, _BITS)),
    *losses("BCELoss", (_P, _Q), weight=_W4),
    *losses("BCEWithLogitsLoss", (_X, _Q)),
    *losses("BCEWithLogitsLoss", (_X, _Q), weight=_W4, pos_weight=positive(4) * 5),
    *losses("KLDivLoss", (_X, _P)),
    case("KLDivLoss", reduction="batchmean", on=(_X, _P)),
    *losses("KLDivLoss", (_X, _T), log_target=True),
    *losses("PoissonNLLLoss", (_X, _P * 5), full=True),
    *losses("PoissonNLLLoss", (_P, _Q), log_input=False),
    *losses("GaussianNLLLoss", (_X, _T, _P)),
    *losses("GaussianNLLLoss", (_X, _T, positive(5, 1)), full=True),
    *losses("GaussianNLLLoss", (_X, _T, positive(5))),
    *losses("HingeEmbeddingLoss", (_X, signs(5, 4)), 0.7),
    *losses("MarginRankingLoss", (_X, _T, signs(5, 4)), 0.3),
    *losses("MultiMarginLoss", (_LOGITS, _LABELS)),
    *losses("MultiMarginLoss", (_LOGITS, _LABELS), p=2, margin=0.6, weight=_W4),
    case("MultiMarginLoss", on=(normal(4), np.array(1))),
    *losses("MultiLabelMarginLoss", (normal(2, 4), np.array([[3, 0, -1, 1], [2, -1, -1, -1]]))),
    *losses("SoftMarginLoss", (_X, signs(5, 4))),
    *losses("MultiLabelSoftMarginLoss", (_X, _BITS)),
    *losses("MultiLabelSoftMarginLoss", (_X, _BITS), weight=_W4),
    *losses("CosineEmbeddingLoss", (_X, _T, signs(5)), 0.1),
    *losses("TripletMarginLoss", (_X, _T, normal(5, 4, seed=2))),
    *losses("TripletMarginLoss", (_X, _T, normal(5, 4, seed=2)), swap=True, p=3.0),
]

PADDING = [
    case("ConstantPad1d", 2, 1.5, on=LINES),
    case("ConstantPad2d", (1, -2, 0, 3), 2.0, on=IMAGES),
    case("ConstantPad3d", 1, -1.0, on=VOLUMES),
    case("ZeroPad1d", (1, 2), on=LINES),
    case("ZeroPad2d", (1, 2, 3, 0), on=IMAGES),
    case("ZeroPad3d", 1, on=VOLUMES),
    case("ReflectionPad1d", (3, 1), on=LINES),
    case("ReflectionPad2d", (1, 2, 3, 0), on=IMAGES),
    case("ReflectionPad3d", 1, on=VOLUMES),
    case("ReplicationPad1d", (3, 1), on=LINES),
    case("ReplicationPad2d", (1, 2, 3, 0), on=normal(4, 6, 5)),
    case("ReplicationPad3d", 2, on=VOLUMES),
    case("CircularPad1d", (3, 1), on=LINES),
    case("CircularPad2d", (1, 2, 3, 0), on=IMAGES),
    case("CircularPad3d", 1, on=VOLUMES),
]

IMAGE_SIZES = [
    case("Upsample", scale_factor=2, on=IMAGES),
    case("Upsample", size=(4, 7), on=IMAGES),
    case("Upsample", size=5, mode="nearest-exact", on=LINES),
    case("Upsample", scale_factor=1.7, mode="linear", on=LINES),
    case("Upsample", scale_factor=(2, 1.5), mode="bilinear", on=IMAGES),
    case("Upsample", size=(9, 3), mode="bilinear", align_corners=True, on=IMAGES),
    case("Upsample", size=(9, 3), mode="bicubic", on=IMAGES),
    case("Upsample", scale_factor=2, mode="bicubic", align_corners=True, on=IMAGES),
    case("Upsample", size=(2, 7, 3), mode="trilinear", on=VOLUMES),
    case("Upsample", size=(2, 7, 3), on=VOLUMES),
    case("UpsamplingNearest2d", scale_factor=3, on=IMAGES),
    case("UpsamplingBilinear2d", size=(4, 9), on=IMAGES),
    case("PixelShuffle", 2, on=IMAGES),
    case("PixelUnshuffle", 2, on=normal(2, 3, 4, 6)),
    case("ChannelShuffle", 2, on=IMAGES),
]

DISTANCES = [
    case("CosineSimilarity", on=(normal(5, 4), normal(5, 4, seed=1))),
    case("CosineSimilarity", 0, 1e-3, on=(normal(5, 4), normal(5, 4, seed=1))),
    case("PairwiseDistance", on=(normal(5, 4), normal(5, 4, seed=1))),
    case("PairwiseDistance", 3.0, keepdim=True, on=(normal(5, 4), normal(5, 4, seed=1))),
    case("PairwiseDistance", 1.0, on=(normal(5, 4), normal(5, 4, seed=1))),
]

SEQUENCES = [
    case("RNNCell", 3, 4, on=normal(2, 3)),
    case("RNNCell", 3, 4, bias=False, nonlinearity="relu", on=(normal(2, 3), normal(2, 4))),
    case("GRUCell", 3, 4, on=(normal(2, 3), normal(2, 4))),
    case("RNN", 3, 4, on=normal(5, 2, 3)),
    case("RNN", 3, 4, 2, "relu", batch_first=True, on=(normal(2, 5, 3), normal(2, 2, 4))),
    case("GRU", 3, 4, on=normal(5, 3)),
    case("GRU", 3, 2, num_layers=2, bidirectional=True, on=(normal(4, 2, 3), normal(4, 2, 2))),
    case("LSTM", 3, 4, on=normal(5, 2, 3)),
    case("LSTM", 3, 2, 2, bias=False, bidirectional=True, batch_first=True, on=normal(2, 4, 3)),
    case("MultiheadAttention", 6, 2, on=(normal(4, 2, 6), normal(3, 2, 6), normal(3, 2, 6))),
    case(
        "MultiheadAttention",
        6,
        3,
        kdim=4,
        vdim=5,
        bias=False,
        batch_first=True,
        on=(normal(2, 4, 6), normal(2, 3, 4), normal(2, 3, 5)),
    ),
]

CASES = [*LAYERS, *POOLING, *ACTIVATIONS, *NORMALIZATION, *LOSSES]
CASES += [*SEQUENCES, *PADDING, *IMAGE_SIZES, *DISTANCES]
