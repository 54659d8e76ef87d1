"""Factual-centred recaptioning (paper 3.1, image-caption data, stage 4): ``python -m pipelines.recaption``."""
