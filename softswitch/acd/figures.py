"""The figures of reports: name, heading, unit, and which property of a cell it is.

A name is the key in JSON and CSV, the row of `docs/statistics.md`, and the same everywhere."""

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

Unit: TypeAlias = Literal["text", "time", "count", "seconds", "percent", "number"]
Value: TypeAlias = "str | int | float | None"


@dataclass(frozen=True, slots=True)
class Figure:
    """`of` is the attribute of the cell, `name` unless given. `percent`: the attribute is a share (0–1)."""

    name: str
    title: str
    unit: Unit = "count"
    of: str = ""

    def value(self, cell: Any) -> Value:
        """Rounded to what means something; None: nothing to judge by."""
        value: float | None = getattr(cell, self.of or self.name)
        if value is None or self.unit == "count":
            return value
        return round(100.0 * value if self.unit == "percent" else value, 2)


QUEUE: Final = (
    Figure("offered", "Offered", of="entered"),
    Figure("answered", "Answered"),
    Figure("within", "In time"),
    Figure("service_level", "Service level", "percent", of="service_level"),
    Figure("abandoned", "Abandoned"),
    Figure("short_abandoned", "Short"),
    Figure("abandonment", "Abandonment", "percent"),
    Figure("overflowed", "Overflow", of="overflows"),
    Figure("left", "Left"),
    Figure("lost", "Cut off"),
    Figure("asa", "ASA", "seconds", of="average_speed_of_answer"),
    Figure("longest_wait", "Longest wait", "seconds"),
    Figure("average_abandoned_wait", "Abandoned after", "seconds"),
    Figure("longest_abandoned", "Longest abandoned", "seconds"),
    Figure("aht", "AHT", "seconds", of="average_handling_time"),
    Figure("average_talk", "Talk", "seconds"),
    Figure("average_hold", "Hold", "seconds"),
    Figure("average_wrap_up", "Wrap-up", "seconds"),
    Figure("average_ring", "Ring", "seconds"),
    Figure("hold_share", "Held", "percent"),
    Figure("transferred", "Transferred"),
    Figure("transfer_rate", "Transfer rate", "percent"),
    Figure("fcr", "FCR", "percent", of="first_call_resolution"),
    Figure("fcr_cases", "FCR cases", of="cases"),
    Figure("fcr_pending", "FCR pending", of="pending"),
    Figure("repeat_rate", "Repeat rate", "percent"),
    Figure("resumed", "Resumed"),
    Figure("estimate_off", "Estimate off", "seconds", of="mean_estimate_error"),
    Figure("offers", "Offers"),
    Figure("failed_offers", "Offers failed"),
)
AGENT: Final = (
    Figure("answered", "Answered"),
    Figure("offers", "Offers"),
    Figure("accept_rate", "Accepted", "percent"),
    Figure("missed", "Missed"),
    Figure("logins", "Log-ins"),
    Figure("logged_in", "Logged in", "seconds"),
    Figure("at_work", "At work", "seconds"),
    Figure("ready", "Ready", "seconds"),
    Figure("paused", "Paused", "seconds"),
    Figure("occupancy", "Occupancy", "percent"),
    Figure("utilisation", "Utilisation", "percent"),
    Figure("calls_per_hour", "Calls/hour", "number"),
    Figure("aht", "AHT", "seconds", of="average_handling_time"),
    Figure("average_talk", "Talk", "seconds"),
    Figure("average_hold", "Hold", "seconds"),
    Figure("average_wrap_up", "Wrap-up", "seconds"),
    Figure("average_ring", "Ring", "seconds"),
    Figure("longest_talk", "Longest talk", "seconds"),
    Figure("hold_share", "Held", "percent"),
    Figure("transferred", "Transferred"),
    Figure("transfer_rate", "Transfer rate", "percent"),
    Figure("fcr", "FCR", "percent", of="first_call_resolution"),
    Figure("fcr_cases", "FCR cases", of="cases"),
)
TRUNK: Final = (
    Figure("calls", "Calls"),
    Figure("inbound", "In"),
    Figure("outbound", "Out"),
    Figure("answered", "Answered"),
    Figure("asr", "ASR", "percent", of="answer_seizure_ratio"),
    Figure("acd", "ACD", "seconds", of="average_call_duration"),
    Figure("talk", "Talk", "seconds", of="seconds"),
)
SURVEY: Final = (
    Figure("asked", "Asked"),
    Figure("answered", "Answered"),
    Figure("completed", "Completed"),
    Figure("response_rate", "Response", "percent"),
    Figure("csat", "CSAT", "percent", of="csat_share"),
    Figure("csat_mean", "Mean", "number"),
    Figure("csat_answers", "CSAT answers"),
    Figure("nps", "NPS", "number", of="nps_score"),
    Figure("promoters", "Promoters"),
    Figure("passives", "Passives"),
    Figure("detractors", "Detractors"),
    Figure("nps_answers", "NPS answers"),
    Figure("messages", "Messages"),
)
CALLBACKS: Final = ("asked", "merged", "attempted", "taken", "connected", "cancelled", "expired", "failed")
CALLBACK: Final = (
    Figure("callback_success", "Success", "percent"),
    Figure("average_callback_wait", "Called back after", "seconds"),
)
SHORT: Final = {
    "queues": ("offered", "answered", "service_level", "abandoned", "abandonment", "overflowed", "asa", "longest_wait",
               "aht", "average_talk", "average_hold", "average_wrap_up", "transfer_rate", "fcr"),
    "agents": ("answered", "accept_rate", "missed", "logged_in", "paused", "occupancy", "utilisation",
               "calls_per_hour", "aht", "average_talk", "average_hold", "average_wrap_up", "fcr"),
}  # fmt: skip  # what a terminal has room for; files and `--all` have everything
SHORT_OF: Final = SHORT | dict.fromkeys(("skills", "intervals"), SHORT["queues"])
