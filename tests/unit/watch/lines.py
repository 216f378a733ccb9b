"""A log that keeps what it is told."""


class Lines:
    """The events that were logged, each with its facts."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, object]]] = []

    def debug(self, event: str, /, **facts: object) -> None:
        self.told.append((event, facts))

    info = warning = error = debug
