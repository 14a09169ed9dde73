"""Reports as files for other programs: CSV, JSON, XLSX, plain text."""

import csv
import io
import json
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from softswitch.acd.figures import Value
from softswitch.acd.reports import Column, Question, Report
from softswitch.kernel.errors import LocalError

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def text(found: Report) -> bytes:
    """The table of the terminal without its colours."""
    from softswitch.cli.output import plain_table
    from softswitch.cli.report import shown_value, title

    rows = [*found.rows, *([found.total] if len(found.rows) > 1 else [])]
    cells = [[shown_value(row.get(column.name), column, found.question) for column in found.columns] for row in rows]
    heads = [("" if column.unit in ("text", "time") else ">") + column.title for column in found.columns]
    return f"{title(found.question)}\n{plain_table(heads, cells)}\n".encode()


def csv_of(found: Report) -> bytes:
    """RFC 4180, UTF-8; names of figures as heads, seconds and percent as plain numbers, times by the clock there with
    their offset. No line for the total. A text that a spreadsheet would take for a formula gets an apostrophe."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream)
    writer.writerow(column.name for column in found.columns)
    for row in found.rows:
        writer.writerow(_plain(row.get(column.name), column, found.question) for column in found.columns)
    return stream.getvalue().encode()


def json_of(found: Report) -> bytes:
    """Everything."""
    return (json.dumps(asdict(found), ensure_ascii=False, indent=2) + "\n").encode()


def _plain(value: Value, column: Column, question: Question) -> Any:
    if value is None:
        return ""
    if column.unit == "time":
        return datetime.fromtimestamp(float(value), ZoneInfo(question.timezone)).isoformat(timespec="minutes")
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def xlsx(found: Report) -> bytes:
    """A workbook: the table with a total, frozen heads and a filter; with intervals, a chart of calls and service
    level. Percentages and durations are numbers, shown as such."""
    try:
        from xlsxwriter import Workbook
    except ImportError as error:
        raise LocalError("XLSX needs the package XlsxWriter: pip install XlsxWriter") from error
    from softswitch.cli.report import title

    stream = io.BytesIO()
    with Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet(found.question.kind)
        forms = {
            "time": book.add_format({"num_format": "yyyy-mm-dd hh:mm"}),
            "seconds": book.add_format({"num_format": "[h]:mm:ss"}),
            "percent": book.add_format({"num_format": "0.0 %"}),
            "number": book.add_format({"num_format": "0.00"}),
            "count": book.add_format({"num_format": "0"}),
            "text": book.add_format(),
        }
        bold = {
            unit: book.add_format({"bold": True, "top": 1, "num_format": form.num_format})
            for unit, form in forms.items()
        }
        head = book.add_format({"bold": True, "bg_color": "#1F3A5F", "font_color": "white", "text_wrap": True})
        sheet.write(0, 0, title(found.question), book.add_format({"bold": True, "font_size": 14}))
        for place, column in enumerate(found.columns):
            sheet.write(2, place, column.title, head)
            sheet.set_column(place, place, {"text": 18, "time": 17}.get(column.unit, 12))
        for line, row in enumerate((*found.rows, found.total), 3):
            own = bold if line == len(found.rows) + 3 else forms
            for place, column in enumerate(found.columns):
                _put(sheet, line, place, row.get(column.name), column, own[column.unit], found.question)
        last = len(found.rows) + 2
        if found.rows:
            sheet.autofilter(2, 0, last, len(found.columns) - 1)
        sheet.freeze_panes(3, 1)
        if found.question.kind == "intervals" and found.rows:
            _chart(book, sheet, found, last)
    return stream.getvalue()


def _put(sheet: Any, line: int, place: int, value: Value, column: Column, form: Any, question: Question) -> None:
    if value is None:
        sheet.write_blank(line, place, None, form)
    elif column.unit == "time":
        local = datetime.fromtimestamp(float(value), ZoneInfo(question.timezone))
        sheet.write_datetime(line, place, local.replace(tzinfo=None), form)
    elif column.unit == "seconds":
        sheet.write_number(line, place, float(value) / 86400.0, form)
    elif column.unit == "percent":
        sheet.write_number(line, place, float(value) / 100.0, form)
    elif isinstance(value, str):
        sheet.write_string(line, place, value, form)
    else:
        sheet.write_number(line, place, value, form)


def _chart(book: Any, sheet: Any, found: Report, last: int) -> None:
    names = [column.name for column in found.columns]
    kind = found.question.kind
    bars = book.add_chart({"type": "column", "subtype": "stacked"})
    for name, colour in (("answered", "#2E7D5B"), ("abandoned", "#C0392B")):
        place = names.index(name)
        bars.add_series({
            "name": found.columns[place].title, "categories": [kind, 3, 0, last, 0],
            "values": [kind, 3, place, last, place], "fill": {"color": colour},
        })  # fmt: skip
    line = book.add_chart({"type": "line"})
    place = names.index("service_level")
    line.add_series({
        "name": "Service level", "categories": [kind, 3, 0, last, 0], "values": [kind, 3, place, last, place],
        "y2_axis": True, "line": {"color": "#1F3A5F", "width": 2},
    })  # fmt: skip
    line.set_y2_axis({"min": 0, "max": 1, "num_format": "0 %"})
    bars.combine(line)
    bars.set_title({"name": "Calls and service level"})
    bars.set_size({"width": 900, "height": 360})
    sheet.insert_chart(last + 3, 0, bars)
