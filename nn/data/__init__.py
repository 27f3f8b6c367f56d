"""Datasets, loaders, splits and transforms that turn arrays into batches for training.

Everything here takes and returns NumPy arrays; nothing here knows about Tensors or gradients.
"""

from nn.data.dataset import ArrayDataset, Dataset, Subset, TensorDataset
from nn.data.digits import load_digits
from nn.data.idx import IdxFormatError, read_idx, write_idx
from nn.data.loader import DataLoader, default_collate
from nn.data.mnist import load_mnist
from nn.data.split import random_split, train_test_split
from nn.data.transforms import Compose, Normalize, Pad, Standardizer, one_hot

__all__ = [
    "ArrayDataset",
    "Compose",
    "DataLoader",
    "Dataset",
    "IdxFormatError",
    "Normalize",
    "Pad",
    "Standardizer",
    "Subset",
    "TensorDataset",
    "default_collate",
    "load_digits",
    "load_mnist",
    "one_hot",
    "random_split",
    "read_idx",
    "train_test_split",
    "write_idx",
]
