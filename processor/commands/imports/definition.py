"""The command line of ``idstream import``."""

from pathlib import Path
from typing import Any, Final

import click

from processor.commands.options import Environ, config_option

_PATH: Final = click.Path(path_type=Path)


@click.command("import", short_help="Turn files of people into profiles.")
@config_option
@click.option("--input", required=True, metavar="NAME", help="The input that rows come through.")
@click.option(
    "--id",
    "import_id",
    metavar="ID",
    help="What the import is known by when it is gone on with.  [default: by the file's content]",
)
@click.option(
    "--format", type=click.Choice(["csv", "jsonl"]), help="[default: by the end of a file's name]"
)
@click.option("--manifest", type=_PATH, metavar="FILE", help="Which column is what, as JSON.")
@click.option(
    "--environment",
    type=click.Choice(["production", "development"]),
    default="production",
    show_default=True,
    help="Of rows that name none.",
)
@click.option("--dry-run", is_flag=True, help="Read and judge everything, send nothing.")
@click.option("--print", "print_all", is_flag=True, help="With --dry-run: print every batch.")
@click.option(
    "--against",
    type=_PATH,
    metavar="SNAPSHOT",
    help="With --dry-run: tell what rows would become over these profiles.",
)
@click.option("--topic", metavar="TOPIC", help="[default: the first of batches that it reads]")
@click.option("--rate", type=click.IntRange(min=1), metavar="N", help="Rows a second at most.")
@click.option("--again", is_flag=True, help="Begin anew, whatever is in already.")
@click.option(
    "--max-errors",
    type=click.IntRange(min=0),
    default=1000,
    show_default=True,
    metavar="N",
    help="Rejected rows at most.",
)
@click.argument("paths", nargs=-1, required=True, type=_PATH)
@click.pass_obj
def import_(environ: Environ, /, config: Path, **how: Any) -> None:  # noqa: ANN401
    """Turn the rows of PATHS, files of people, into batches without events for one input."""
    from processor.commands.imports.options import ImportOptions  # noqa: PLC0415

    options = ImportOptions(**how)
    if not options.dry_run:
        if options.print_all or options.against is not None:
            raise click.UsageError("--print and --against go with --dry-run")
        from processor.commands.imports.sending import import_files  # noqa: PLC0415

        import_files(config, environ, options)
        return
    from processor.commands.imports.rehearsal import rehearse  # noqa: PLC0415

    rehearse(config, environ, options)
