"""What every pipeline stands on: how batches travel, how rows leave, how a run survives, how it is committed."""
