"""Caption curation (paper 3.1, image-caption data, stages 1 to 3): ``python -m pipelines.captions``."""
