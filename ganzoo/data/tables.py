"""Labels and captions of pictures: from csv and jsonl tables, and from text files beside the pictures."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from ganzoo.data.images import BrokenPicture
from ganzoo.data.names import CAPTION_TABLES, LABEL_TABLE, is_picture, printable, splits_of
from ganzoo.data.store import Store, read_file
from ganzoo.errors import UserError

TABLE_LIMIT = 256 * 2**20
CAPTION_LIMIT = 2**20
_FILE_COLUMNS = ("file", "file_name", "filename", "image", "path", "name", "id")
_LABEL_COLUMNS = ("label", "class", "category")
_TEXT_COLUMNS = ("text", "caption", "captions", "prompt", "description")


def label_tables(store: Store) -> list[str]:
    """The tables that labels can be read from."""
    return _tables(store, (LABEL_TABLE,))


def labels_of(store: Store, tables: Sequence[str]) -> dict[str, str]:
    """The name of the class by picture, as the last row of that picture has it.

    Raises:
        UserError: when the tables cannot be understood.
    """
    return {name: values[-1] for name, values in _read_tables(store, tables, _LABEL_COLUMNS).items()}


def captions_of(store: Store) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """Captions by picture, each on one line, and the files they come from.

    Raises:
        UserError: when a table or a text file cannot be understood.
    """
    tables = _tables(store, CAPTION_TABLES)
    if tables:
        told = _read_tables(store, tables, _TEXT_COLUMNS)
        return {name: tuple(" ".join(text.split()) for text in texts) for name, texts in told.items()}, tables
    captions: dict[str, tuple[str, ...]] = {}
    files = []
    for name in store.entries:
        beside = os.path.splitext(name)[0] + ".txt"
        if is_picture(name) and beside in store.entries:
            text = _text(store, beside, CAPTION_LIMIT)
            lines = tuple(line.strip() for line in text.splitlines() if line.strip())
            if lines:
                captions[name] = lines
                files.append(beside)
    return captions, files


def _tables(store: Store, names: Sequence[str]) -> list[str]:
    """The first of `names` that lies at the top or in the folder of a split, wherever it does."""
    for name in names:
        found = [prefix + name for prefix in ("", *splits_of(store.entries).values()) if prefix + name in store.entries]
        if found:
            return found
    return []


def _text(store: Store, name: str, limit: int) -> str:
    try:
        return read_file(store, name, limit).decode("utf-8-sig")
    except BrokenPicture as error:
        raise UserError(f"{store.path}: {printable(error.name)}: {error.reason}") from error
    except UnicodeDecodeError as error:
        raise UserError(
            f"{store.path}: {printable(name)} is not UTF-8 (byte {error.start}: {error.object[error.start]:#04x}); "
            f"try: iconv -f latin1 -t utf-8 {PurePosixPath(name).name}"
        ) from error


def _read_tables(store: Store, tables: Sequence[str], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Values by picture. Rows of pictures that are not there are passed over; the pictures decide.

    Raises:
        UserError: one line for each row (at most five) that cannot be understood.
    """
    index = _Index(store)
    values: dict[str, list[str]] = {}
    problems: list[str] = []
    rows = 0
    for table in tables:
        where = f"{store.path}: {table}"
        text = _text(store, table, TABLE_LIMIT)
        parse = _json_rows if table.endswith(".jsonl") else _csv_rows
        folder = table.rpartition("/")[0]
        for file, found in parse(text, columns, where, problems):
            rows += 1
            name = index.find(folder, file)
            if name is not None:
                values.setdefault(name, []).extend(found)
    if problems:
        more = [f"... and {len(problems) - 5} more"] if len(problems) > 5 else []
        raise UserError(*problems[:5], *more)
    if not values:
        raise UserError(
            f"{store.path}: none of the {rows:,} rows of {', '.join(tables)} name a picture that is there; file names "
            f"are relative to the table, for example {printable(index.example)}"
        )
    return {name: tuple(found) for name, found in values.items() if found}


Rows = Iterator[tuple[str, list[str]]]


def _csv_rows(text: str, columns: Sequence[str], where: str, problems: list[str]) -> Rows:
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        file = next((header.index(name) for name in _FILE_COLUMNS if name in header), None)
        value = next((header.index(name) for name in columns if name in header), None)
        if file is None or value is None:
            found = printable(",".join(header))[:100] or "nothing"
            problems.append(f"{where}: its first line is {found!r}, expected {_FILE_COLUMNS[0]},{columns[0]}")
            return
        for row in reader:
            if not row:
                continue
            if len(row) <= max(file, value):
                problems.append(f"{where}, line {reader.line_num}: {len(row)} columns, expected {len(header)}")
            elif row[value].strip():
                yield row[file], [row[value].strip()]
    except csv.Error as error:
        problems.append(f"{where}, line {reader.line_num}: {error}")


def _json_rows(text: str, columns: Sequence[str], where: str, problems: list[str]) -> Rows:
    # Not splitlines(): a JSON string may hold U+2028, which is no end of line there.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            problems.append(f"{where}, line {number}: not JSON: {error}")
            continue
        if not isinstance(row, dict):
            problems.append(f'{where}, line {number}: expected {{"file_name": ..., "{columns[0]}": ...}}')
            continue
        file = next((row[name] for name in _FILE_COLUMNS if name in row), None)
        value = next((row[name] for name in columns if name in row), None)
        found = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
        # null and an empty list say of a picture that it has none, as an empty cell of a csv does
        nothing = value == [] or (value is None and any(name in row for name in columns))
        if not isinstance(file, str) or not (found or nothing):
            keys = printable(", ".join(map(str, row)))[:100]
            problems.append(
                f'{where}, line {number}: found the keys {keys}; expected "file_name" with a string and '
                f'"{columns[0]}" with a string or a list of strings'
            )
            continue
        yield file, [item.strip() for item in found if item.strip()]


class _Index:
    """Finds the picture that a row of a table means: by path, or by bare name (with or without suffix) if only one
    picture is called that."""

    def __init__(self, store: Store) -> None:
        self._pictures = {name for name in store.entries if is_picture(name)}
        self._bare: dict[str, str | None] = {}
        self.example = next(iter(name for name in store.entries if is_picture(name)), "1.jpg")
        for name in self._pictures:
            base = name.rpartition("/")[2]
            for key in (base, os.path.splitext(base)[0]):
                self._bare[key] = None if key in self._bare else name

    def find(self, folder: str, file: str) -> str | None:
        path = file.strip().replace("\\", "/").removeprefix("./")
        for candidate in (f"{folder}/{path}" if folder else path, path):
            if candidate in self._pictures:
                return candidate
        return self._bare.get(path)
