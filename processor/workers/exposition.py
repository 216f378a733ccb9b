"""Metrics of several workers as one text, told apart by the label ``worker``. Pure."""

from collections.abc import Mapping


def merged(texts: Mapping[int, str]) -> str:
    """Return the metrics of workers, by their numbers, as one text of Prometheus's format.

    All samples of a metric stand together, after its help and type, as the format wants it.
    """
    heads: dict[str, dict[str, None]] = {}
    samples: dict[str, list[str]] = {}
    for number, text in texts.items():
        name = ""
        for line in text.splitlines():
            if line.startswith("#"):
                name = line.split(" ", 3)[2]
                heads.setdefault(name, {})[line] = None
            elif line:
                samples.setdefault(name, []).append(_labelled(line, number))
    names = dict.fromkeys([*heads, *samples])
    lines = [one for name in names for one in (*heads.get(name, ()), *samples.get(name, ()))]
    return "".join(f"{line}\n" for line in lines)


def _labelled(sample: str, number: int) -> str:
    """Return a sample with the label of its worker first."""
    name, brace, rest = sample.partition("{")
    if brace:
        return f'{name}{{worker="{number}",{rest}'
    name, _, value = sample.partition(" ")
    return f'{name}{{worker="{number}"}} {value}'
