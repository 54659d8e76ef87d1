"""Readers: cut the input into splits and read a split as one batch, every planned row of it."""
