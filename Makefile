# The words of ./dev, for fingers that are used to make.
.PHONY: help setup demo test lint check run bench
help setup demo test lint check run bench:
	@./dev $@
