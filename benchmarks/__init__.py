"""What is measured, each figure beside a rival of the same run: `python -m benchmarks` lists them all."""
