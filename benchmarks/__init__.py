"""Claims of speed and what they rest on: each is a ratio in one run, on the same work with the same answers."""
