"""Verifiers: pure functions that judge an answer and say why (paper 5.2, Table 1)."""
