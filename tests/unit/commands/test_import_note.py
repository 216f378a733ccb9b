"""The note beside an imported file: which imports of it have begun."""

from pathlib import Path

from processor.commands.imports.note import Begun, Note

ONE, OTHER = Begun("i-1", "group", "topic"), Begun("i-2", "group", "topic")


def test_each_import_of_a_file_is_noted_once(tmp_path: Path):
    note = Note(tmp_path / "people.csv")
    for begun in (ONE, OTHER, ONE):
        note.write(begun)
    assert note.says(ONE)
    assert Note(tmp_path / "people.csv").others(ONE) == ["i-2"]
    assert not Note(tmp_path / "others.csv").says(ONE)
    assert [one.name for one in tmp_path.iterdir()] == ["people.csv.import.json"]


def test_what_was_noted_stands_until_all_of_the_new_note_is_written(tmp_path: Path):
    note, kept = Note(tmp_path / "people.csv"), tmp_path / "as it was"
    note.write(ONE)
    kept.hardlink_to(tmp_path / "people.csv.import.json")
    before = kept.read_bytes()
    note.write(OTHER)
    assert kept.read_bytes() == before
    assert note.says(OTHER)


def test_a_note_that_cannot_be_written_is_told_and_leaves_the_other(tmp_path: Path, capsys):
    note = Note(tmp_path / "people.csv")
    note.write(ONE)
    (tmp_path / "people.csv.import.json.part").mkdir()
    note.write(OTHER)
    assert "cannot write" in capsys.readouterr().err
    assert note.says(ONE)
    assert not note.says(OTHER)
