"""How a batch crosses a stage boundary: as an Arrow IPC stream.

Importing this module registers the coder for ``pa.RecordBatch``. ``estimate_size`` matters as much as the encoding: Beam's
default encodes every element at every step only to learn its size.
"""

import pyarrow as pa
from apache_beam.coders import Coder
from apache_beam.coders.typecoders import registry


def to_ipc(batch: pa.RecordBatch) -> bytes:
    """Return ``batch`` as an Arrow IPC stream; a slice is cut to its own rows, its parent's buffers stay behind."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def from_ipc(data: bytes) -> pa.RecordBatch:
    """Return the batch that ``to_ipc`` wrote, over the same memory."""
    return pa.ipc.open_stream(data).read_next_batch()


class ArrowBatchCoder(Coder):
    """Encodes ``pa.RecordBatch`` by ``to_ipc``; sizes are read off the buffers, never by encoding."""

    def encode(self, value: pa.RecordBatch) -> bytes:
        """Return the IPC stream of ``value``."""
        return to_ipc(value)

    def decode(self, encoded: bytes) -> pa.RecordBatch:
        """Return the batch behind ``encoded``."""
        return from_ipc(encoded)

    def estimate_size(self, value: pa.RecordBatch) -> int:
        """Return the bytes of the buffers of ``value``."""
        return value.nbytes

    def is_deterministic(self) -> bool:
        """Return true: equal batches have equal streams."""
        return True

    def to_type_hint(self) -> type:
        """Return the type that this codes."""
        return pa.RecordBatch

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


registry.register_coder(pa.RecordBatch, ArrowBatchCoder)
