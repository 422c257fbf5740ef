"""Run the command line: python -m flow_forecaster."""

from flow_forecaster.cli import main

if __name__ == "__main__":
    main()
