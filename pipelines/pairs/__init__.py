"""What the pipelines over image-text pairs share: their source, their signals, their rules, exact duplicates, opening them again."""
