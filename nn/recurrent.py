"""Recurrent cells and layers: Elman networks, LSTM, GRU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from autograd import Tensor, TensorLike, as_tensor
from autograd.primitives import elementwise
from nn import functional as F
from nn import init
from nn.functional._arguments import fit_probability, like
from nn.linear import empty_parameter
from nn.module import Module
from nn.parameter import Parameter

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

_sigmoid = elementwise.sigmoid.call
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def _step(
    mode: str, gates: Tensor, state: Any, w_hh: Tensor, b_hh: Tensor | None
) -> tuple[Tensor, Any]:
    """One step: the output, and the state that follows.

    Args:
        gates: the input's part, W_ih x + b_ih, (N, gates × hidden).
        state: h, or (h, c) for an LSTM.
    """
    h = state[0] if mode == "LSTM" else state
    size = h.shape[-1]
    inner = F.linear(h, w_hh, b_hh)

    def gate(x: Tensor, i: int) -> Tensor:
        return x[..., i * size : (i + 1) * size]

    if mode == "GRU":
        reset = _sigmoid(gate(gates, 0) + gate(inner, 0))
        update = _sigmoid(gate(gates, 1) + gate(inner, 1))
        new = np.tanh(gate(gates, 2) + reset * gate(inner, 2))
        h = new + update * (h - new)
        return h, h
    total = gates + inner
    if mode == "LSTM":
        keep, write, show = _sigmoid(gate(total, 1)), _sigmoid(gate(total, 0)), gate(total, 3)
        c = keep * state[1] + write * np.tanh(gate(total, 2))
        h = _sigmoid(show) * np.tanh(c)
        return h, (h, c)
    h = np.tanh(total) if mode == "RNN_TANH" else elementwise.relu(total)
    return h, h


class _Cell(Module):
    mode: str
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def _set_up(
        self, input_size: int, hidden_size: int, bias: bool, dtype: npt.DTypeLike | None
    ) -> None:
        rows = GATES[self.mode] * hidden_size
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.weight_ih = empty_parameter((rows, input_size), dtype)
        self.weight_hh = empty_parameter((rows, hidden_size), dtype)
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, empty_parameter((rows,), dtype) if bias else None)
        self.bias = bias
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again, from U(−1/√hidden, 1/√hidden)."""
        _draw(self, self.hidden_size)

    def _run(self, input: TensorLike, state: Any) -> Any:
        x = as_tensor(like(input, self.weight_ih))
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise self._reject(f"(N, {self.input_size}) or ({self.input_size},)", x)
        shape = (*x.shape[:-1], self.hidden_size)
        several = self.mode == "LSTM"
        if state is None:
            zero = as_tensor(np.zeros(shape, x.dtype))
            state = (zero, zero) if several else zero
        else:
            given = state if several else (state,)
            parts = tuple(as_tensor(like(s, self.weight_ih)) for s in given)
            if any(part.shape != shape for part in parts):
                raise self._reject(f"a state of shape {shape}", parts[0])
            state = parts if several else parts[0]
        gates = F.linear(x, self.weight_ih, self.bias_ih)
        return _step(self.mode, gates, state, self.weight_hh, self.bias_hh)[1]

    def extra_repr(self) -> str:
        parts = f"{self.input_size}, {self.hidden_size}"
        return parts if self.bias else parts + ", bias=False"


def _draw(module: Module, hidden_size: int) -> None:
    bound = 1 / math.sqrt(hidden_size) if hidden_size > 0 else 0
    for parameter in module.parameters():
        init.uniform_(parameter, -bound, bound)


class RNNCell(_Cell):
    """h' = f(W_ih x + b_ih + W_hh h + b_hh) (Elman 1990).

    Args:
        input_size, hidden_size: lengths of x and h.
        bias: whether there are biases.
        nonlinearity: f, "tanh" or "relu".
        dtype: of the parameters, float32 by default.

    Attributes:
        weight_ih, weight_hh, bias_ih, bias_hh: from U(−1/√hidden, 1/√hidden).
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity: {nonlinearity}")
        self.nonlinearity = nonlinearity
        self.mode = f"RNN_{nonlinearity.upper()}"
        self._set_up(input_size, hidden_size, bias, dtype)

    def forward(self, input: TensorLike, hx: TensorLike | None = None) -> Tensor:
        """The next state (N, hidden), from inputs (N, input) and the state, zero by default."""
        return self._run(input, hx)

    def extra_repr(self) -> str:
        tail = f", nonlinearity={self.nonlinearity}" if self.nonlinearity != "tanh" else ""
        return super().extra_repr() + tail


class LSTMCell(_Cell):
    """Long short-term memory with input, forget, cell and output gate, in this order.

    c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c') (Hochreiter & Schmidhuber 1997, Gers 2000).
    """

    mode = "LSTM"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self._set_up(input_size, hidden_size, bias, dtype)

    def forward(self, input: TensorLike, hx: Any = None) -> tuple[Tensor, Tensor]:
        """The next (h, c), from inputs (N, input) and (h, c), zero by default."""
        return self._run(input, hx)


class GRUCell(_Cell):
    """Gated recurrent unit with reset, update and new gate, in this order (Cho et al. 2014).

    n = tanh(W_in x + b_in + σ(r) (W_hn h + b_hn)), h' = (1 − σ(z)) n + σ(z) h.
    """

    mode = "GRU"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        self._set_up(input_size, hidden_size, bias, dtype)

    def forward(self, input: TensorLike, hx: TensorLike | None = None) -> Tensor:
        """The next state (N, hidden), from inputs (N, input) and the state, zero by default."""
        return self._run(input, hx)


class _Recurrent(Module):
    """Layers of cells over a sequence, in one direction or both."""

    mode: str

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        super().__init__()
        if hidden_size <= 0 or num_layers <= 0:
            raise ValueError("hidden_size and num_layers must be greater than zero")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = fit_probability(float(dropout), "dropout")
        self.bidirectional = bidirectional
        self.num_directions = 2 if bidirectional else 1
        rows = GATES[self.mode] * hidden_size
        for layer in range(num_layers):
            columns = input_size if layer == 0 else hidden_size * self.num_directions
            for direction in range(self.num_directions):
                suffix = self._suffix(layer, direction)
                setattr(self, f"weight_ih{suffix}", empty_parameter((rows, columns), dtype))
                setattr(self, f"weight_hh{suffix}", empty_parameter((rows, hidden_size), dtype))
                if bias:
                    setattr(self, f"bias_ih{suffix}", empty_parameter((rows,), dtype))
                    setattr(self, f"bias_hh{suffix}", empty_parameter((rows,), dtype))
        self.reset_parameters()

    def _suffix(self, layer: int, direction: int) -> str:
        return f"_l{layer}" + ("_reverse" if direction else "")

    def reset_parameters(self) -> None:
        """Draw the parameters again, from U(−1/√hidden, 1/√hidden)."""
        _draw(self, self.hidden_size)

    def forward(self, input: TensorLike, hx: Any = None) -> tuple[Tensor, Any]:
        """Outputs of the last layer at every step, and the last state of every layer.

        Args:
            input: (L, N, input_size), (N, L, input_size) with ``batch_first``, or (L, input_size).
            hx: the first states, (layers × directions, N, hidden), zero by default; for an LSTM
                the pair (h, c).
        """
        x = as_tensor(like(input, next(self.parameters())))
        batched = x.ndim == 3
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            raise self._reject(f"(L, N, {self.input_size}) or (L, {self.input_size})", x)
        if not batched:
            x = np.expand_dims(x, 1)
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        states = self._first_states(hx, x, batched)
        lasts: list[Any] = []
        for layer in range(self.num_layers):
            outs = []
            for direction in range(self.num_directions):
                out, last = self._pass(x, layer, direction, states[len(lasts)])
                outs.append(out)
                lasts.append(last)
            x = outs[0] if len(outs) == 1 else np.concatenate(outs, axis=-1)
            if self.dropout and layer < self.num_layers - 1:
                x = F.dropout(x, self.dropout, self.training)
        if self.mode == "LSTM":
            final: Any = tuple(np.stack([last[i] for last in lasts]) for i in range(2))
        else:
            final = np.stack(lasts)
        if not batched:
            x = x[:, 0]
            final = tuple(s[:, 0] for s in final) if self.mode == "LSTM" else final[:, 0]
        elif self.batch_first:
            x = x.swapaxes(0, 1)
        return x, final

    def _first_states(self, hx: Any, x: Tensor, batched: bool) -> list[Any]:
        count = self.num_layers * self.num_directions
        shape = (count, x.shape[1], self.hidden_size)
        several = self.mode == "LSTM"
        if hx is None:
            zero = as_tensor(np.zeros(shape[1:], x.dtype))
            return [(zero, zero) if several else zero] * count
        given = [as_tensor(like(h, x)) for h in (hx if several else (hx,))]
        if not batched:
            given = [np.expand_dims(h, 1) for h in given]
        for h in given:
            if h.shape != shape:
                raise self._reject(f"states of shape {shape}", h)
        return [tuple(h[i] for h in given) if several else given[0][i] for i in range(count)]

    def _pass(self, x: Tensor, layer: int, direction: int, state: Any) -> tuple[Tensor, Any]:
        """One layer in one direction over (L, N, features)."""
        suffix = self._suffix(layer, direction)
        # read as attributes, which may be parametrised or pruned
        w_hh = getattr(self, f"weight_hh{suffix}")
        b_hh = getattr(self, f"bias_hh{suffix}", None)
        weight = getattr(self, f"weight_ih{suffix}")
        gates = F.linear(x, weight, getattr(self, f"bias_ih{suffix}", None))
        length = x.shape[0]
        outs: list[Any] = [None] * length
        for t in range(length)[::-1] if direction else range(length):
            outs[t], state = _step(self.mode, gates[t], state, w_hh, b_hh)
        return np.stack(outs), state

    def extra_repr(self) -> str:
        parts = [f"{self.input_size}, {self.hidden_size}"]
        for name, default in (
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0.0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)}")
        return ", ".join(parts)


class RNN(_Recurrent):
    """Layers of Elman cells over a sequence.

    Args:
        input_size, hidden_size: lengths of input and state.
        num_layers: each takes the outputs of the one before.
        nonlinearity: "tanh" or "relu".
        bias: whether there are biases.
        batch_first: sequences are (N, L, features), not (L, N, features).
        dropout: between the layers, in training.
        bidirectional: also from the end; the outputs of both directions are joined.
        dtype: of the parameters, float32 by default.

    Attributes:
        weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, …: of each layer, with ``_reverse`` for
            the second direction.

    >>> import numpy as np, nn
    >>> outputs, last = nn.RNN(3, 4)(np.zeros((7, 2, 3)))
    >>> outputs.shape, last.shape
    ((7, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: npt.DTypeLike | None = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity {nonlinearity!r}. Select from 'tanh' or 'relu'."
            )
        self.__dict__["mode"] = f"RNN_{nonlinearity.upper()}"
        super().__init__(
            input_size,
            hidden_size,
            num_layers,
            bias,
            batch_first,
            dropout,
            bidirectional,
            device,
            dtype,
        )
        self.nonlinearity = nonlinearity


class LSTM(_Recurrent):
    """Layers of :class:`LSTMCell` over a sequence; arguments as :class:`RNN`'s."""

    mode = "LSTM"


class GRU(_Recurrent):
    """Layers of :class:`GRUCell` over a sequence; arguments as :class:`RNN`'s."""

    mode = "GRU"
