"""Download the images of URL lists: ``python -m pipelines.ingest --input 'laion/*.parquet' --output runs``."""

import sys

from pipelines.ingest.launch import main

if __name__ == "__main__":
    sys.exit(main())
