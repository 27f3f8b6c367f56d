"""Training: the loop, what it measures, how weights are kept; ``python -m nn.training`` runs it.

Nothing here is needed to use `nn`; it is the training loop one would write, written once.
"""

from nn.training.trainer import Epoch, Trainer, accuracy, evaluate
from nn.training.weights import load_weights, save_weights

__all__ = ["Epoch", "Trainer", "accuracy", "evaluate", "load_weights", "save_weights"]
