"""Tasks made of what people have: arrays, tables, folders of images, sequences, torch's data sets, files."""

from automl.data.arrays import from_arrays
from automl.data.datasets import DatasetTask
from automl.data.images import from_images
from automl.data.named import load
from automl.data.sequences import from_sequences, from_tokens
from automl.data.tables import TableTask, from_frame, from_table

__all__ = [
    "DatasetTask",
    "TableTask",
    "from_arrays",
    "from_frame",
    "from_images",
    "from_sequences",
    "from_table",
    "from_tokens",
    "load",
]
