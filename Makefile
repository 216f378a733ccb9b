# The words of ./dev, for fingers that are used to make.
.PHONY: help setup demo test lint check run docs faults bench contracts
help setup demo test lint check run docs faults bench contracts:
	@./dev $@
