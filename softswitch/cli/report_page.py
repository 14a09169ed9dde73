"""A report as one HTML file that needs nothing else: inline SVG, no script, no address outside."""

from html import escape
from typing import Final

from softswitch import __version__
from softswitch.acd.figures import Value
from softswitch.acd.reports import Column, Report
from softswitch.cli.report import period, shown_value, title
from softswitch.cli.report_pictures import pictures

_CARDS: Final = (
    "offered", "answered", "service_level", "abandonment", "asa", "aht", "occupancy", "fcr", "calls", "asr", "asked",
    "response_rate", "csat", "nps",
)  # fmt: skip
_MOST_CARDS: Final = 8

_STYLE: Final = """
:root{--ink:#22303c;--soft:#5b6b78;--line:#dde3e8;--back:#f4f6f8;--accent:#1f5f99}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:15px/1.5 "DejaVu Sans",
system-ui,"Segoe UI",Roboto,sans-serif}
main{max-width:1240px;margin:0 auto;padding:32px 28px 56px}
h1{font-size:25px;margin:0 0 2px;letter-spacing:-.01em}
.when{color:var(--soft);margin:0 0 24px}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:14px;margin-bottom:20px}
.card,.chart,.table{background:#fff;border:1px solid var(--line);border-radius:10px}
.card{padding:14px 18px}
.card b{display:block;font-size:25px;line-height:1.25;font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:13px}
.charts{display:grid;grid-template-columns:1fr 1fr;gap:14px;margin-bottom:20px}
.chart{padding:12px 14px}
.chart.volume,.chart.ranking{grid-column:1/-1}
.chart svg{display:block;width:100%;height:auto}
.table{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:8px 12px;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}
th{background:#fafbfc;color:var(--soft);font-weight:600;position:sticky;top:0}
td.text,th.text{text-align:left;font-weight:600;position:sticky;left:0;background:#fff}
th.text{background:#fafbfc}
tbody tr:hover td{background:#f0f5fa}
tfoot td{font-weight:700;border-top:2px solid var(--line);border-bottom:0}
footer{color:var(--soft);font-size:12px;margin-top:18px}
@media(max-width:800px){.charts{grid-template-columns:1fr}}
@media print{body{background:#fff}main{padding:0}.chart,.card,.table{break-inside:avoid}}
"""


def page(found: Report) -> bytes:
    """UTF-8."""
    charts = "".join(f'<figure class="chart {name}" style="margin:0">{svg}</figure>' for name, svg in pictures(found))
    question = found.question
    lines = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title(question))}</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style></head><body><main>",
        f"<h1>{escape(title(question).partition(',')[0])}</h1>",
        f'<p class="when">{escape(period(question))}</p>',
        f'<div class="cards">{_cards(found)}</div>',
        f'<div class="charts">{charts}</div>',
        f'<div class="table"><table>{_table(found)}</table></div>',
        f"<footer>softswitch {escape(__version__)}. {found.facts:,} entries of the ledger.",
        f"Service level: {escape(question.definition)}. First-call resolution: {question.fcr_days:g} days.</footer>",
        "</main></body></html>",
    ]
    return "\n".join(lines).encode()


def _cards(found: Report) -> str:
    columns = {column.name: column for column in found.columns}
    cards: list[str] = []
    for name in _CARDS:
        if name in columns and found.total.get(name) is not None and len(cards) < _MOST_CARDS:
            value = shown_value(found.total[name], columns[name], found.question)
            cards.append(f'<div class="card"><b>{escape(value)}</b><span>{escape(columns[name].title)}</span></div>')
    return "".join(cards)


def _table(found: Report) -> str:
    head = "".join(f"<th{_class(column)}>{escape(column.title)}</th>" for column in found.columns)
    body = "".join(_line(row, found) for row in found.rows)
    foot = f"<tfoot>{_line(found.total, found)}</tfoot>" if len(found.rows) > 1 else ""
    return f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>{foot}"


def _line(row: dict[str, Value], found: Report) -> str:
    cells = (
        f"<td{_class(column)}>{escape(shown_value(row.get(column.name), column, found.question))}</td>"
        for column in found.columns
    )
    return f"<tr>{''.join(cells)}</tr>"


def _class(column: Column) -> str:
    return ' class="text"' if column.unit in ("text", "time") else ""
