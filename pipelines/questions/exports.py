"""Files beside the tables of a run by which trainers and catalogues find them: LLaMA-Factory's registration, and Croissant."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

NO_HASH = "https://github.com/mlcommons/croissant/issues/80"
"""What stands in Croissant for the hash of a folder, which has none: the Hugging Face hub writes the same."""
_SHAREGPT = {
    "formatting": "sharegpt",
    "columns": {"messages": "messages", "images": "images"},
    "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant", "system_tag": "system"},
}
_KINDS = ((pa.types.is_boolean, "sc:Boolean"), (pa.types.is_integer, "sc:Integer"), (pa.types.is_floating, "sc:Float"))
_CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def dataset_info(tables: Sequence[str]) -> bytes:
    """Return ``dataset_info.json`` by which LLaMA-Factory trains on the tables of messages: ``--dataset_dir RUN --dataset sft``."""
    return _json({name: {"file_name": name, **_SHAREGPT} for name in tables})


def croissant(name: str, about: str, license_name: str, tables: Mapping[str, pa.Schema]) -> bytes:
    """Return ``croissant.json`` (MLCommons Croissant 1.0): where the tables of a run lie, and what their scalar columns hold."""
    repository = {
        "@type": "cr:FileObject",
        "@id": "run",
        "name": "run",
        "contentUrl": ".",
        "encodingFormat": "local_directory",
        "sha256": NO_HASH,
    }
    return _json(
        {
            "@context": _CONTEXT,
            "@type": "sc:Dataset",
            "name": name,
            "description": about,
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "license": license_name,
            "distribution": [repository, *(_files(table) for table in tables)],
            "recordSet": [_records(table, schema) for table, schema in tables.items()],
        }
    )


def _files(table: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": table,
        "name": table,
        "containedIn": {"@id": "run"},
        "encodingFormat": "application/x-parquet",
        "includes": f"{table}/*.parquet",
    }


def _records(table: str, schema: pa.Schema) -> dict[str, Any]:
    scalars = [field for field in schema if not pa.types.is_nested(field.type)]
    return {"@type": "cr:RecordSet", "@id": f"{table}_rows", "name": f"{table}_rows", "field": [_field(table, field) for field in scalars]}


def _field(table: str, field: pa.Field) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{table}_rows/{field.name}",
        "name": field.name,
        "description": (field.metadata or {}).get(b"doc", b"").decode(),
        "dataType": next((kind for is_kind, kind in _KINDS if is_kind(field.type)), "sc:Text"),
        "source": {"fileSet": {"@id": table}, "extract": {"column": field.name}},
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
