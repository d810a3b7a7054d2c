"""`python -m linnet`: the same as the command `linnet`."""

from linnet.cli import main

if __name__ == "__main__":
    main()
