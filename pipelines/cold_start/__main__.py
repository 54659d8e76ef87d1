"""Write and verify long chains of thought: ``python -m pipelines.cold_start --job jobs/cold_start/demo.yaml --input my_questions``."""

import sys

from pipelines.cold_start.launch import main

if __name__ == "__main__":
    sys.exit(main())
