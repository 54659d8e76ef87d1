"""Writes new content and labels, captions first: pure functions on Arrow batches, and the served models behind them. No Beam."""
