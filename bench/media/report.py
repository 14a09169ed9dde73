"""Results for people: a line a run, a Markdown table, a plot."""

from pathlib import Path
from typing import Any, Final

HEADING: Final = (
    "mode           calls  cpu% %/100calls µs/packet     lost/sent  delay p50  p95  p99  max ms  jitter p99 ms"
    "  late/ticks  rss MB  growth  waited%  gen. p99 max ms"
)
_BUSY: Final = " machine too busy"


def line(r: dict[str, Any]) -> str:
    """One run."""
    names = ("duplicates", "disordered", "strange", "unreadable", "refused", "foreign")
    odd = "".join(f" {name}={r[name]}" for name in names if r[name])
    more = "".join(f" {name}={r[name]}" for name in ("legs_opened", "legs_closed", "groups_skipped") if name in r)
    busy = _BUSY if r["busy"] else ""
    return (
        f"{r['mode']:14} {r['calls']:5} {r['cpu_percent']:5.1f} {r['percent_per_100_calls']:10.2f} "
        f"{r['us_per_packet']:9.2f} {r['lost']:8g}/{r['sent']:<8} {r['delay_p50_ms']:6.2f} {r['delay_p95_ms']:5.2f} "
        f"{r['delay_p99_ms']:5.2f} {r['delay_max_ms']:5.1f} {r['jitter_p99_ms']:11.2f}     "
        f"{r['late_ticks']}/{r['ticks']} {r['rss_mb']:9.0f} {r['rss_growth_mb']:6.1f} {r['waited_percent']:7.1f} "
        f"{r['generator_p99_ms']:8.1f} {r['generator_max_ms']:5.1f} {r['backend']}{busy}{odd}{more}"
    )


def table(machine: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """For docs/performance.md."""
    heads = ["mode", "backend", "calls", "% of a core per 100 calls", "µs a packet", "lost"]
    heads += ["added delay p50 / p99 / max", "jitter p99", "late ticks", "memory", "core waited for", "generator late"]
    facts = f"{machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, Python {machine['python']}, "
    facts += f"numpy {machine['numpy']}; load average {machine['load'][0]} before, {machine['load_after'][0]} after."
    return "\n".join([facts, "", _row(heads), "|" + "---|" * len(heads), *(_row(_cells(r)) for r in results)])


def _cells(r: dict[str, Any]) -> list[str]:
    return [
        r["mode"],
        r["backend"],
        str(r["calls"]),
        f"{r['percent_per_100_calls']:.1f}",
        f"{r['us_per_packet']:.1f}",
        f"{r['lost']:g} of {r['sent']:,}",
        f"{r['delay_p50_ms']:.1f} / {r['delay_p99_ms']:.1f} / {r['delay_max_ms']:.0f} ms",
        f"{r['jitter_p99_ms']:.1f} ms",
        f"{r['late_ticks']} of {r['ticks']:,}" if r["ticks"] else "",
        f"{r['rss_mb']:.0f} MB",
        f"{r['waited_percent']:.1f} %",
        f"{r['generator_max_ms']:.0f} ms{' (busy)' if r['busy'] else ''}",
    ]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """CPU a packet over the number of calls, a line a mode; the yardstick dashed."""
    from matplotlib import pyplot  # only here: a tool of the bench alone

    figure, axes = pyplot.subplots(figsize=(7, 4), dpi=80)
    for mode in dict.fromkeys(r["mode"] for r in results):
        mine = sorted((r["calls"], r["us_per_packet"]) for r in results if r["mode"] == mode)
        style: dict[str, Any] = {"linestyle": "--", "color": "black"} if mode == "uvloop" else {}
        axes.plot([calls for calls, _ in mine], [cost for _, cost in mine], marker="o", label=mode, **style)
    axes.set(xlabel="calls", ylabel="µs of CPU a packet")
    axes.set_ylim(bottom=0)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path)
