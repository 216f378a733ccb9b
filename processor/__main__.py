"""``python -m processor`` is ``idstream``."""

from processor.cli import main

main()
