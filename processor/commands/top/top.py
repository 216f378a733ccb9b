"""The command: looks at the metrics of processes again and again, and shows what changed."""

import importlib.util
import io
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from processor.commands.terminal.console import say
from processor.commands.terminal.failure import Failure
from processor.commands.terminal.signals import stopped_by_signals
from processor.commands.terminal.tables import draw, plain, print_table
from processor.commands.top.rates import Picture, picture
from processor.commands.top.view import fitting, sections
from processor.kafka.clock import Clock
from processor.settings import ObservabilitySettings, load
from processor.watch.scrape import NoMetrics, Sample, scrape

_ANY: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - told apart, not listened on
_HOME: Final = "\x1b[H"
_REST_OF_LINE: Final = "\x1b[K"
_REST_OF_SCREEN: Final = "\x1b[J"


class TopOptions(Struct, frozen=True):
    """The options of the command line."""

    urls: tuple[str, ...] = ()
    """Of processes; the one that the configuration describes, where none is named."""
    interval: float = 2.0
    once: bool = False
    as_json: bool = False


def top(config: Path, environ: Mapping[str, str], options: TopOptions) -> None:
    """Show how processes do, until a signal says stop; once, where that is asked for."""
    urls = options.urls or (_own(load(config, environ).observability),)
    stop, clock = stopped_by_signals(), Clock()
    before = _look(urls)
    is_screen = sys.stdout.isatty() and not (options.once or options.as_json)
    if is_screen:
        sys.stdout.write(_HOME + _REST_OF_SCREEN)
    while not stop.wait(options.interval):
        after = _look(urls)
        found = picture([(before[url], after[url]) for url in urls], clock.wall())
        before = after
        if options.as_json:
            say(msgspec.json.encode(found).decode())
        elif is_screen:
            redraw(found, options.interval)
        else:
            _print(found)
        if options.once:
            return


def _own(settings: ObservabilitySettings) -> str:
    if not settings.port:
        raise Failure("observability.port is 0, any free one: name it with --url")
    host = "127.0.0.1" if settings.host in _ANY else settings.host
    return f"http://{host}:{settings.port}/metrics"


def _look(urls: Sequence[str]) -> dict[str, Sample]:
    try:
        return {url: scrape(url) for url in urls}
    except NoMetrics as error:
        raise Failure(str(error)) from None


def _print(found: Picture) -> None:
    for title, head, rows in sections(found):
        print_table(title, head, rows)


def redraw(found: Picture, interval: float) -> None:
    """Write over what stands on the screen: clearing it first would flicker."""
    width, height = shutil.get_terminal_size()
    end = f"Every {interval:g} s; Ctrl-C ends it."
    lines = fitting(_drawn(found, width).rstrip("\n").split("\n"), height - 1, end)
    line_end = f"{_REST_OF_LINE}\n"
    sys.stdout.write(_HOME + line_end.join(lines) + line_end + _REST_OF_SCREEN)
    sys.stdout.flush()


def _drawn(found: Picture, width: int) -> str:
    if importlib.util.find_spec("rich") is None:
        return "".join(plain(title, head, rows) for title, head, rows in sections(found))
    from rich.console import Console  # noqa: PLC0415 - an extra

    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=True, color_system="auto", highlight=False
    )
    for title, head, rows in sections(found):
        draw(title, head, rows, console)
    return text.getvalue()
