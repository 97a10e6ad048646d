"""`python -m node`, the same as `kinfold`."""

from node.cli import main

main()
