"""Cases played without Kafka: the real pipeline over an index, one record at a time."""

import json
from collections.abc import Iterable
from typing import Any

from msgspec.structs import replace

from processor.commands.offline.snapshot import read_snapshot
from processor.identity.model import Space
from processor.identity.profile import Profile
from processor.identity.view import Effects
from processor.index.derivation import derive
from processor.index.port import Ask, Assignment, Commit, Index
from processor.pipeline.pipeline import Parts, Pipeline
from processor.profiles.document import from_json
from processor.records import Output, Record
from processor.settings import Settings, load_offline
from tests.conformance.expectations import Answer, check_final, check_step
from tests.conformance.flat_story import FlatStory
from tests.conformance.story import Story

OWNER = "conformance"
TOPICS = ("batches", "requests")

AnyStory = Story | FlatStory


class Published:
    """The live profiles, as a reader of the profiles topic knows them."""

    def __init__(self, given: Iterable[dict[str, Any]]) -> None:
        self._profiles: dict[tuple[str, str, str], dict[str, Any]] = {}
        for profile in given:
            self.note(profile)

    def note(self, profile: dict[str, Any]) -> None:
        """Take a record of the topic in: the highest version counts."""
        key = profile["scope"], profile["environment"], profile["mpid"]
        if key not in self._profiles or self._profiles[key]["version"] <= profile["version"]:
            self._profiles[key] = profile

    def of(self, scope: str, environment: str = "production") -> dict[str, dict[str, Any]]:
        """Return a space's profiles by MPID, merged ones left out."""
        return live(self.documents(scope, environment))

    def documents(self, scope: str, environment: str = "production") -> dict[str, dict[str, Any]]:
        """Return a space's documents by MPID, pointers of merged profiles included."""
        return {
            mpid: profile
            for (its_scope, its_environment, mpid), profile in self._profiles.items()
            if (its_scope, its_environment) == (scope, environment)
        }


def answer_of(topic: str, outputs: Iterable[Output]) -> Answer:
    """Return what the outputs of one record say."""
    by_role: dict[str, list[Output]] = {}
    for output in outputs:
        by_role.setdefault(output.role, []).append(output)
    (outcome,) = (json.loads(output.value or b"") for output in by_role["outcomes"])
    answer = Answer(
        topic=topic,
        outcome=outcome["outcome"],
        reason=outcome["reason"],
        mpid=outcome["mpid"],
        changes=[json.loads(output.value or b"") for output in by_role.get("changes", [])],
    )
    for output in (*by_role.get("enriched", []), *by_role.get("responses", [])):
        assert answer.value is None, "a record has one answer"
        answer.key = None if output.key is None else output.key.decode()
        answer.value = json.loads(output.value or b"")
        header = dict(output.headers).get("resolution")
        told = answer.body.get("resolution") if output.role == "responses" else None
        answer.resolution = json.loads(header) if header is not None else told
    return answer


def settings_of(stories: Iterable[AnyStory], folder: Any) -> Settings:
    """Return the settings of a configuration that holds all of *stories*."""
    path = folder / "offline.toml"
    path.write_text("\n".join(story.configuration() for story in stories))
    return load_offline(path, {})


def given_profiles(stories: Iterable[AnyStory], settings: Settings, folder: Any) -> list[Profile]:
    """Return the profiles that the stories begin with, as documents."""
    path = folder / "given.jsonl"
    lines = (json.dumps(profile) + "\n" for story in stories for profile in story.given())
    path.write_text("".join(lines))
    return read_snapshot(path, {w.scope: w.policy for w in settings.workspaces.values()})


def store(index: Index, profiles: Iterable[Profile], settings: Settings) -> None:
    """Write *profiles* and their index entries, as a processor would."""
    lookups = {w.scope: w.policy.priority.__contains__ for w in settings.workspaces.values()}
    for space, state in derive(profiles, lookups).items():
        effects = Effects(
            expected_holders=dict.fromkeys(state.holders, ()),
            expected_versions=dict.fromkeys(state.profiles, 0),
            holders=state.holders,
            profiles=state.profiles,
        )
        assert isinstance(index.commit(space, effects, []), Commit)


class Stage:
    """A pipeline over *index*, ready for the records of one story."""

    def __init__(self, story: AnyStory, index: Index, folder: Any) -> None:
        self._index = index
        self._offset = 0
        self._published = Published(story.given())
        settings = settings_of([story], folder)
        self._pipeline = self._begin(settings, [Assignment(t, 0, t, None, "") for t in TOPICS])
        store(index, given_profiles([story], settings, folder), settings)

    def restart(self, story: AnyStory, folder: Any) -> None:
        """Go on with the rules that *story* has now, as a process that was started anew."""
        metadata = self._pipeline.metadata
        places = [Assignment(t, 0, t, self._offset, metadata(t, 0)) for t in TOPICS]
        self._pipeline = self._begin(settings_of([story], folder), places)

    def _begin(self, settings: Settings, places: list[Assignment]) -> Pipeline:
        spaces = settings.space_rules()
        pipeline = Pipeline(
            Parts(
                rules=settings.rules(),
                spaces=spaces,
                index=self._index,
                owner=OWNER,
                with_outcomes=True,
            )
        )
        pipeline.assign(places, [])
        return pipeline

    def ask(self, record: dict[str, Any]) -> Answer:
        """Process one record in a transaction of its own."""
        offset = self._offset
        self._offset += 1
        outputs = self._pipeline.process(
            [
                Record(
                    topic=record["topic"],
                    partition=0,
                    offset=offset,
                    timestamp_ms=record["timestamp_ms"],
                    key=None,
                    value=json.dumps(record["value"]).encode(),
                    headers=(("input", record["input"].encode()),),
                )
            ]
        )
        self._pipeline.committed()
        for output in outputs:
            if output.role == "profiles":
                self._published.note(json.loads(output.value or b""))
        return answer_of(record["topic"], (o for o in outputs if o.role != "profiles"))

    def profiles(self, story: AnyStory) -> dict[str, dict[str, Any]]:
        """Return the final documents as published, after comparing them with what is stored."""
        published = self._published.documents(story.workspace)
        space = Space(story.workspace, "production")
        mpids = tuple(int(mpid) for mpid in published)
        if mpids:
            stored = self._index.visit(space, {}, [Ask(mpids=mpids)]).found.profiles
            for mpid, profile in published.items():
                found = stored[int(mpid)]
                assert found is not None
                told = from_json(json.dumps(profile).encode())
                # Given profiles do not say who is contested: that follows from all of them.
                assert replace(found, contested=told.contested) == told
        return published


def play(story: Story, index: Index, folder: Any) -> None:
    """Play a story over *index* and check every expectation."""
    stage = Stage(story, index, folder)
    for number in range(len(story.case.steps)):
        if story.is_restart(number):
            stage.restart(story, folder)
            continue
        check_step(story, number, stage.ask(story.record(number)))
    check_final(story, live(stage.profiles(story)))


def live(documents: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return *documents* without the pointers of merged profiles."""
    return {mpid: p for mpid, p in documents.items() if p["merged_into"] is None}


def play_flat(story: FlatStory, index: Index, folder: Any) -> None:
    """Play a story of flat matching over *index* and check every expectation."""
    stage = Stage(story, index, folder)
    while True:
        while (record := story.next_record()) is not None:
            story.check(stage.ask(record))
        if not story.begin_next_act():
            break
        stage.restart(story, folder)
    story.check_end(stage.profiles(story))
