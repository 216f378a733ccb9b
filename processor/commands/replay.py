"""``idstream replay``: dead letters back to the topics that they came from."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from processor.codecs.headers import RESERVED
from processor.commands.terminal.console import note, say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.progress import progress
from processor.crash import CrashPoints
from processor.kafka.asking import NoTopic, Unreachable, reaching
from processor.kafka.letters import REASONS, ReplayTally, Selection, pack
from processor.kafka.mailbox import Mailbox
from processor.kafka.replay import Replay, TooLarge
from processor.settings import Settings, load


class ReplayOptions(Struct, frozen=True):
    """The options of the command line."""

    reasons: Sequence[str] = ()
    """All, where none is given."""
    most: int | None = None
    pass_over: bool = False
    dry_run: bool = False
    """Only tell what would go back."""


def replay(config: Path, environ: Mapping[str, str], options: ReplayOptions) -> None:
    """Put dead letters back."""
    settings = load(config, environ)
    selection = Selection(
        reasons=known(options.reasons),
        inputs=frozenset(settings.kafka.topics.inputs),
        reserved=RESERVED,
        most=options.most,
        pass_over=options.pass_over,
    )
    topic = settings.kafka.topics.dead_letters
    if options.dry_run:
        _rehearse(settings, selection)
        return
    run = Replay(settings.kafka, selection, CrashPoints(environ).reach)
    try:
        with reaching(settings.kafka):
            _begin(run, topic, pass_over=options.pass_over)
            with progress(f"offsets of {topic} read") as shown:
                for done, total in run.run():
                    shown.at(done, total)
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    except TooLarge as error:
        _tell(run.tally)
        raise Failure(str(error)) from None
    finally:
        run.close()
    _tell(run.tally)


def known(reasons: Sequence[str]) -> frozenset[str]:
    """Return *reasons*, all where none is given; Failure where there is no such reason."""
    unknown = sorted(set(reasons) - set(REASONS))
    if unknown:
        raise Failure(f"there is no reason {unknown[0]}; there are {', '.join(REASONS)}")
    return frozenset(reasons or REASONS)


def _rehearse(settings: Settings, selection: Selection) -> None:
    """Tell what a replay would put back now, and what could not go; nothing is written."""
    mailbox = Mailbox(settings.kafka)
    tally = ReplayTally()
    try:
        with reaching(settings.kafka):
            mailbox.look()
            for letters, _, _ in mailbox.read(selection.reasons):
                tally = pack(letters, mailbox.held, selection, tally, ()).tally
                if tally.is_full(selection):
                    break
    except (NoTopic, Unreachable) as error:
        raise Failure(str(error)) from None
    finally:
        mailbox.close()
    for reason, count in sorted(tally.replayed.items()):
        say(f"{reason}: {count:,} would go back")
    if tally.no_input:
        say(f"{tally.no_input:,} could not, for their topic is no input: --pass-over leaves them")
    say(f"{tally.total():,} letters would go back; nothing was written")


def _begin(run: Replay, topic: str, *, pass_over: bool) -> None:
    """Refuse, before anything is put back, to pass over letters that no later run comes back to."""
    unplaced = run.begin()
    if unplaced:
        note(
            f"no position of an earlier replay in {topic}/{', '.join(map(str, unplaced))}: this is"
            " the first one, or the positions have expired (offsets.retention.minutes), and"
            " letters that were put back before go back again"
        )
    if pass_over:
        return
    found = run.passed_over()
    if found:
        topics = ", ".join(f"{count:,} of {name or 'no topic'}" for name, count in found.items())
        raise Failure(
            f"{sum(found.values()):,} letters cannot go back, for their topic is no input"
            f" ({topics}): nothing was put back. Put the topic back into the configuration, take"
            " letters of other reasons, or leave these behind for good with --pass-over"
        )


def _tell(tally: ReplayTally) -> None:
    for reason, count in sorted(tally.replayed.items()):
        say(f"{reason}: {count:,} put back")
    if tally.no_input:
        say(f"{tally.no_input:,} passed over: their topic is no input")
    if tally.too_large:
        say(f"{tally.too_large:,} passed over: too large for their topic")
    say(f"{tally.total():,} letters put back")
