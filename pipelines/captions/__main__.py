"""Curate image-text samples: ``python -m pipelines.captions --input my_folder --limit 100``."""

import sys

from pipelines.captions.launch import main

if __name__ == "__main__":
    sys.exit(main())
