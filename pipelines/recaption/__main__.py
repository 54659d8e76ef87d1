"""Recaption image-text samples: ``python -m pipelines.recaption --input my_folder --limit 100``."""

import sys

from pipelines.recaption.launch import main

if __name__ == "__main__":
    sys.exit(main())
