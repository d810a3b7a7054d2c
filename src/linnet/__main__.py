"""`python -m linnet`: the same as the command `linnet`."""

import sys

from linnet.cli import main

if __name__ == "__main__":
    sys.exit(main())
