"""Ingest: the images of URL lists become Parquet shards, with what every address came to on record."""
