"""``python -m simulator`` is ``plan``."""

from simulator.cli.main import main

if __name__ == "__main__":
    main()
