"""Draws plots as PNG files: a program for the environment beside ours, which has matplotlib.

It reads JSON: a list of objects with the fields of `benchmarks.table.Plot` and a `path`.
"""

import json
import sys

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw(plot: dict) -> None:
    """Draw a plot, the same bytes for the same data and release of matplotlib."""
    figure = Figure(figsize=(6.4, 3.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    series = plot["series"]
    if plot["bars"]:
        stack(axes, series)
    else:
        for name, line in series.items():
            axes.plot([x for x, _ in line], [y for _, y in line], marker=".", label=name)
        axes.set_ylim(bottom=0)
    if plot["log_x"]:
        axes.set_xscale("log")
    axes.set_title(plot["title"])
    axes.set_xlabel(plot["x"])
    axes.set_ylabel(plot["y"])
    axes.grid(axis="y", alpha=0.3)
    if len(series) > 1:
        axes.legend(frameon=False)
    figure.savefig(plot["path"], metadata={"Software": None})


def stack(axes, series: dict[str, list]) -> None:
    """Stack the series on each other, a bar for each subject."""
    subjects = list(dict.fromkeys(x for line in series.values() for x, _ in line))
    bottom = dict.fromkeys(subjects, 0.0)
    for name, line in series.items():
        heights = dict(line)
        values = [heights.get(x, 0.0) for x in subjects]
        axes.bar([str(x) for x in subjects], values, bottom=list(bottom.values()), label=name)
        bottom = {x: bottom[x] + value for x, value in zip(subjects, values, strict=True)}
    axes.tick_params(axis="x", labelrotation=20 if len(subjects) > 4 else 0)


if __name__ == "__main__":
    for one in json.load(sys.stdin):
        draw(one)
