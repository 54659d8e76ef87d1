"""Models that run beside the pipeline: their weights, and what loads them. The only place of ``synth`` that imports model libraries."""
