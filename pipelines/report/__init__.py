"""The report of a run: what is counted of its rows while they are written, and the page that shows it."""
