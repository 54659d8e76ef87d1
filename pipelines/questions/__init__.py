"""What the pipelines of reasoning data share: the questions that they read."""
