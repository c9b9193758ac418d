"""`python -m fastkiq` is `fastkiq`."""

from fastkiq.cli import main

if __name__ == "__main__":
    main()
