"""What was told of a request under privacy law, read back from the topic of receipts."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from processor.kafka.recent import Budget, NotSeen, Recents
from processor.records import Record
from processor.rules import WorkspaceRules
from processor.serve.credentials import Token
from processor.serve.refusal import unavailable
from processor.serve.results import AsJson
from processor.settings import Settings

_BUDGET: Final = Budget(found=20)
_AT_A_TIME: Final = 2


class Receipt(Struct, frozen=True):
    """A receipt, and when it was told."""

    time_ms: int
    body: Mapping[str, Any]


class Receipts:
    """Reads receipts for whoever asks for them; *now* returns seconds that only grow."""

    def __init__(self, settings: Settings, as_json: AsJson, now: Callable[[], float]) -> None:
        self._topic = settings.kafka.topics.receipts
        self._as_json = as_json
        self._recents = Recents(settings.kafka, now)
        self._places = asyncio.Semaphore(_AT_A_TIME)

    async def of_id(
        self, request_id: str, workspace: WorkspaceRules, token: Token
    ) -> list[Receipt]:
        """Return what *token* may see of the receipts of a request, the newest first.

        Another workspace may have a request with this id too. Refusal where Kafka is away.
        """

        def look() -> list[Receipt]:
            found = self._recents.of_keys(self._topic, [request_id.encode()], _BUDGET)
            return [
                one
                for one in self._read(found.records)
                if one.body.get("workspace") == workspace.name
                and one.body.get("environment") in token.environments
            ]

        try:
            async with self._places:
                return await asyncio.to_thread(look)
        except NotSeen as error:
            raise unavailable(str(error)) from None

    def _read(self, records: Sequence[Record]) -> Iterator[Receipt]:
        for record in records:
            line = None if record.value is None else self._as_json("receipts", record.value)
            body = None if line is None else msgspec.json.decode(line)
            if isinstance(body, dict):
                yield Receipt(record.timestamp_ms, body)
