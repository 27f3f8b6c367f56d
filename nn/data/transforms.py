"""Transforms of whole arrays before training: padding, scaling, one-hot targets, and sequences.

Each is a plain callable on arrays, returns a fresh array and never changes what it is given.
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray


class Compose:
    """Apply transforms one after the other.

    Args:
        transforms: callables from array to array, in the order of application.

    Example:
        >>> import numpy as np
        >>> from nn.data import Compose, Normalize, Pad
        >>> prepare = Compose([Pad(2), Normalize(mean=0.5, std=0.5)])
        >>> images = prepare(np.zeros((10, 1, 28, 28), dtype=np.float32))
        >>> images.shape, images.dtype.name, images.min()
        ((10, 1, 32, 32), 'float32', np.float32(-1.0))
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = list(transforms)

    def __call__(self, x: ArrayLike) -> Any:
        result: Any = x
        for transform in self.transforms:
            result = transform(result)
        return result


class Pad:
    """Put a border around images; `Pad(2)` makes MNIST's 28 x 28 into LeNet's 32 x 32.

    Args:
        padding: the width of the border in pixels, on all four sides.
        fill: the value of the border, 0 by default.

    Called with images of shape (..., H, W), it returns (..., H + 2 padding, W + 2 padding) with
    the same dtype.

    Raises:
        ValueError: `padding` is negative, or the images have fewer than two axes.

    Example:
        >>> import numpy as np
        >>> from nn.data import Pad
        >>> Pad(1)(np.array([[[[5]]]]))
        array([[[[0, 0, 0],
                 [0, 5, 0],
                 [0, 0, 0]]]])
    """

    def __init__(self, padding: int, fill: float = 0) -> None:
        if padding < 0:
            raise ValueError(f"Pad: expected padding >= 0, got {padding}")
        self.padding = padding
        self.fill = fill

    def __call__(self, images: ArrayLike) -> NDArray[Any]:
        images = np.asarray(images)
        if images.ndim < 2:
            raise ValueError(f"Pad: expected images (..., H, W), got shape {images.shape}")
        border = [(0, 0)] * (images.ndim - 2) + [(self.padding, self.padding)] * 2
        return np.pad(images, border, constant_values=self.fill)


class Normalize:
    """Scale images by given statistics, channel by channel: (x - mean) / std.

    For MNIST's training images in [0, 1], mean 0.1307 and std 0.3081 are customary. To learn
    the statistics from data, see `Standardizer`.

    Args:
        mean: one number, or one for each channel, shape (C,).
        std: one number, or one for each channel, shape (C,); not 0.

    Called with floating-point images of shape (..., C, H, W), it returns the same shape and dtype.

    Raises:
        TypeError: the images are not floating-point.
        ValueError: a `std` is 0, or the images have another number of channels.

    Example:
        >>> import numpy as np
        >>> from nn.data import Normalize
        >>> images = np.ones((1, 2, 1, 1), dtype=np.float32)
        >>> Normalize(mean=[0.5, 0.0], std=[0.5, 0.25])(images).ravel()
        array([1., 4.], dtype=float32)
    """

    def __init__(self, mean: ArrayLike, std: ArrayLike) -> None:
        self.mean = np.asarray(mean, dtype=np.float64)
        self.std = np.asarray(std, dtype=np.float64)
        if self.mean.ndim > 1 or self.std.ndim > 1:
            raise ValueError(
                f"Normalize: expected mean and std as one number each or of shape (C,), "
                f"got shapes {self.mean.shape} and {self.std.shape}"
            )
        if np.any(self.std == 0):
            raise ValueError(f"Normalize: expected std without zeros, got {self.std.tolist()}")

    def __call__(self, images: ArrayLike) -> NDArray[Any]:
        images = np.asarray(images)
        if images.dtype.kind != "f":
            raise TypeError(
                f"Normalize: expected floating-point images, got {images.dtype}; "
                f"convert with images.astype(np.float32) / 255"
            )
        if images.ndim < 3:
            raise ValueError(f"Normalize: expected images (..., C, H, W), got {images.shape}")
        return (images - self._per_channel(images, self.mean)) / self._per_channel(images, self.std)

    @staticmethod
    def _per_channel(images: NDArray[Any], values: NDArray[np.float64]) -> NDArray[Any]:
        """Return `values` in the images' dtype, in a shape that broadcasts over H and W."""
        channels = images.shape[-3]
        if values.size not in (1, channels):
            raise ValueError(
                f"Normalize: expected images of {values.size} channels, as mean and std have, "
                f"got {channels} channels (shape {images.shape})"
            )
        return values.astype(images.dtype).reshape(-1, 1, 1)


class Standardizer:
    """Scale features to mean 0 and standard deviation 1, as measured on training data.

    Fit it on the training data and apply it to training and test data alike, so that nothing
    about the test data leaks into training. A feature that is constant in the training data is
    shifted to 0 and not scaled.

    Args:
        axis: the axes that the statistics run over. 0, the default, gives every feature of
            (N, ...) its own; (0, 2, 3) gives every channel of images (N, C, H, W) its own.

    Attributes:
        mean: float64, the mean of each feature, with `axis` kept as 1. None before `fit`.
        std: float64, the standard deviation (divided by N, not N - 1), likewise; 1 for constant
            features.

    Results have the dtype that NumPy gives the input together with float32: float32 and float64
    stay, uint8 becomes float32, int64 becomes float64.

    Raises:
        RuntimeError: it was applied before `fit`.
        ValueError: the training data are empty, or the features have another shape than in `fit`.

    Example:
        >>> import numpy as np
        >>> from nn.data import Standardizer
        >>> train = np.array([[1.0, 7.0], [3.0, 7.0]])
        >>> scaler = Standardizer().fit(train)
        >>> scaler.transform(train)
        array([[-1.,  0.],
               [ 1.,  0.]])
        >>> scaler.inverse(scaler.transform(train))
        array([[1., 7.],
               [3., 7.]])
    """

    mean: NDArray[np.float64] | None
    std: NDArray[np.float64] | None

    def __init__(self, axis: int | tuple[int, ...] = 0) -> None:
        self.axis = axis
        self.mean = None
        self.std = None

    def fit(self, x: ArrayLike) -> Self:
        """Measure mean and standard deviation of `x`, shape (N, ...), and return self."""
        x = np.asarray(x)
        if x.size == 0:
            raise ValueError(f"Standardizer: expected training data, got shape {x.shape}")
        lowest = x.min(axis=self.axis, keepdims=True)
        constant = lowest == x.max(axis=self.axis, keepdims=True)
        mean = x.mean(axis=self.axis, keepdims=True, dtype=np.float64)
        std = x.std(axis=self.axis, keepdims=True, dtype=np.float64)
        # Rounding can leave a constant feature a mean beside its value and a std above 0.
        self.mean = np.where(constant, lowest, mean)
        self.std = np.where(constant | (std == 0), 1.0, std)
        return self

    def transform(self, x: ArrayLike) -> NDArray[Any]:
        """Return (x - mean) / std, shape as `x`."""
        x, mean, std = self._prepare(x)
        return (x - mean) / std

    def inverse(self, x: ArrayLike) -> NDArray[Any]:
        """Return x * std + mean, which undoes `transform`, shape as `x`."""
        x, mean, std = self._prepare(x)
        return x * std + mean

    __call__ = transform

    def _prepare(self, x: ArrayLike) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Return `x`, mean and std in the dtype of the result, or raise."""
        if self.mean is None or self.std is None:
            raise RuntimeError("Standardizer: not fitted yet; call fit(training_data) first")
        x = np.asarray(x)
        axes = (self.axis,) if isinstance(self.axis, int) else self.axis
        reduced = {axis % self.mean.ndim for axis in axes}
        expected = tuple(
            "N" if axis in reduced else size for axis, size in enumerate(self.mean.shape)
        )
        if x.ndim != self.mean.ndim or any(
            size not in ("N", found) for size, found in zip(expected, x.shape, strict=True)
        ):
            raise ValueError(
                f"Standardizer: expected shape ({', '.join(map(str, expected))}) as in fit, "
                f"got {x.shape}"
            )
        dtype = np.result_type(x.dtype, np.float32)
        return x.astype(dtype, copy=False), self.mean.astype(dtype), self.std.astype(dtype)


def one_hot(labels: ArrayLike, num_classes: int, dtype: DTypeLike = np.float32) -> NDArray[Any]:
    """Return labels as vectors with a single 1.

    Args:
        labels: integers of any shape S, from 0 to `num_classes` - 1.
        num_classes: K, the length of the vectors.
        dtype: of the result. float32 by default, ready to be a target; PyTorch's is int64.

    Returns:
        An array of shape S + (K,).

    Raises:
        TypeError: labels are not integers.
        ValueError: a label is outside 0 .. K - 1.

    Example:
        >>> from nn.data import one_hot
        >>> one_hot([2, 0], num_classes=3)
        array([[0., 0., 1.],
               [1., 0., 0.]], dtype=float32)
    """
    classes = np.asarray(labels)
    if classes.size and classes.dtype.kind not in "iu":
        raise TypeError(f"one_hot: expected integer labels, got dtype {classes.dtype}")
    outside = (classes < 0) | (classes >= num_classes)
    if outside.any():
        raise ValueError(
            f"one_hot: expected labels from 0 to {num_classes - 1} for num_classes={num_classes}, "
            f"got {classes[outside][0]}"
        )
    encoded = np.zeros((classes.size, num_classes), dtype=dtype)
    encoded[np.arange(classes.size), classes.ravel().astype(np.intp)] = 1
    return encoded.reshape(*classes.shape, num_classes)
