"""Draws plots as PNG files."""

from pathlib import Path

from benchmarks.table import Plot


def draw(plot: Plot, path: Path) -> None:
    """Draw a plot, the same bytes for the same data and release of matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - only with `bench`
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(6.4, 3.2), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    if plot.bars:
        _bars(axes, plot)
    else:
        for name, line in plot.series.items():
            axes.plot([x for x, _ in line], [y for _, y in line], marker=".", label=name)
        axes.set_ylim(bottom=0)
    if plot.log_x:
        axes.set_xscale("log")
    axes.set_title(plot.title)
    axes.set_xlabel(plot.x)
    axes.set_ylabel(plot.y)
    axes.grid(axis="y", alpha=0.3)
    if len(plot.series) > 1:
        axes.legend(frameon=False)
    figure.savefig(path, metadata={"Software": None})


def _bars(axes, plot: Plot) -> None:
    """Stack the series on each other, a bar for each subject."""
    subjects = list(dict.fromkeys(x for line in plot.series.values() for x, _ in line))
    bottom = dict.fromkeys(subjects, 0.0)
    for name, line in plot.series.items():
        heights = dict(line)
        values = [heights.get(x, 0.0) for x in subjects]
        axes.bar([str(x) for x in subjects], values, bottom=list(bottom.values()), label=name)
        bottom = {x: bottom[x] + value for x, value in zip(subjects, values, strict=True)}
    axes.tick_params(axis="x", labelrotation=20 if len(subjects) > 4 else 0)
