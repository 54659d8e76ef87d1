"""Graded RL tasks (paper 5.1): questions that a verifier can judge, with how hard several models find them."""
