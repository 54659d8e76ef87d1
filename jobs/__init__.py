"""What an operator runs and reads: job files, and commands that prepare a machine or look at finished runs."""
