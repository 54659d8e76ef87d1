"""The recaption job a second time, in plain loops and without a line of the library: what every row must come to.

``recaption`` runs it, ``text_rules`` holds its rules on text, ``compare`` says where another run disagrees. ``corpus`` writes the
shards to run it on and plays the served model; ``images`` and ``alt_texts`` hold what those shards are made of.
"""
