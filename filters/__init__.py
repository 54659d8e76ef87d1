"""Decide which samples stay, and say why: pure functions on Arrow batches."""
