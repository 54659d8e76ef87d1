"""Models whose outputs are signals: their specs, and what loads them. The only place of ``filters`` that imports model libraries."""
