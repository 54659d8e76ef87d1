"""The report of a run: what was counted, and the page that shows it."""
