"""Make RL tasks of questions: ``python -m pipelines.rl_tasks --job jobs/rl_tasks/demo.yaml --input my_questions``."""

import sys

from pipelines.rl_tasks.launch import main

if __name__ == "__main__":
    sys.exit(main())
