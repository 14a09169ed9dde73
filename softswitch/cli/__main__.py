"""`python -m softswitch.cli`."""

from softswitch.cli.main import main

if __name__ == "__main__":
    main()
