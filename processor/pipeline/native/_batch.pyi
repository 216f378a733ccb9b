from processor.pipeline.memory import Memo, Name, Recalled

SOURCE: str
FIELDS: tuple[str, ...]
EVENT_TYPES: tuple[str, ...]
PLAIN_TYPES: tuple[str, ...]
WORDS: tuple[str, ...]

def recall(
    value: bytes | None, most: int, name: str, memos: dict[Name, Memo], /
) -> Recalled | None: ...
