"""`/metrics`: made from the views and counters at the moment of asking, so calls pay nothing for them."""

import time
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE
from prometheus_client.registry import Collector

from softswitch.acd.tally import Spread
from softswitch.shell.operator import Operator

__all__ = ["CONTENT_TYPE", "exposition"]


def exposition(operator: Operator) -> bytes:
    """The metrics of the switch as Prometheus text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Switch(operator))
    return generate_latest(registry)


class _Switch(Collector):
    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        yield from self._switch()
        yield from self._shell()
        yield from self._queues()
        yield from self._agents()
        yield from self._trunks()
        yield from self._hooks()
        yield from self._quality()

    def _switch(self) -> Iterator[Metric]:
        status = self._operator.status()
        yield _gauge("calls", "Live calls", status.calls)
        yield _gauge("waiting", "Callers waiting in queues", status.waiting)
        yield _gauge("registrations", "Registered contacts", status.registrations)
        yield _gauge("draining", "1 while no new calls are taken", int(status.draining))
        yield _counter("calls", "Calls since start", status.calls_total)
        yield _counter("calls_failed", "Failed calls since start", status.calls_failed)
        alarms = GaugeMetricFamily("softswitch_alarm", "1 while the alarm stands", labels=["alarm"])
        for alarm in self._operator.alarms.active():
            alarms.add_metric([alarm.name], 1)
        yield alarms
        live = GaugeMetricFamily("softswitch_live", "What must be zero when no call is up", labels=["kind"])
        for kind, count in status.live.items():
            live.add_metric([kind], count)
        yield live
        gauges = {
            name: GaugeMetricFamily(f"softswitch_media_{name}", text, labels=["worker"])
            for name, text in (("up", "1 while connected"), ("legs", "Legs"), ("slots_free", "Free port pairs"))
        }
        counters = {
            name: CounterMetricFamily(f"softswitch_media_{name}", text, labels=["worker"])
            for name, text in (
                ("ticks", "20 ms ticks"),
                ("late_ticks", "Ticks that came late"),
                ("dropped", "Dropped packets"),
            )
        }
        for worker in status.workers:
            for name, family in (gauges | counters).items():
                family.add_metric([str(worker.worker)], float(getattr(worker, name)))
        yield from gauges.values()
        yield from counters.values()

    def _shell(self) -> Iterator[Metric]:
        counters = self._operator.counters()
        messages = CounterMetricFamily("softswitch_sip_messages", "SIP messages", labels=["direction"])
        messages.add_metric(["in"], counters.messages_in)
        messages.add_metric(["out"], counters.messages_out)
        yield messages
        kept_out = CounterMetricFamily("softswitch_kept_out", "Messages that the gate did not take", labels=["why"])
        for why, count in counters.kept_out.items():
            if why != "bans":
                kept_out.add_metric([why], count)
        yield kept_out
        events = CounterMetricFamily("softswitch_security_events", "Lines of the security log", labels=["event"])
        for event, count in counters.security.items():
            events.add_metric([event], count)
        yield events
        yield _gauge("bans", "Addresses from which nothing is taken", counters.bans)
        spent = GaugeMetricFamily("softswitch_spent_today", "What calls out have cost today", labels=["party"])
        for party, money in self._operator.views.spent(self._operator.now).items():
            spent.add_metric([party], money)
        yield spent
        yield _counter("sip_bad_messages", "Broken messages that were answered", counters.bad_messages)
        yield _counter("sip_junk", "Datagrams that were dropped in silence", counters.junk)
        yield _counter("sip_send_failures", "Datagrams that could not be sent", counters.dropped_datagrams)
        yield _counter("core_faults", "Exceptions of the core; must be zero", counters.faults)
        yield _gauge("tcp_connections", "SIP connections", counters.tcp_connections)
        yield _counter("tcp_refused", "SIP connections refused by a limit", counters.tcp_refused)
        yield _counter("tls_failures", "TLS handshakes that came to nothing", counters.tls_failures)
        yield _counter("websockets_refused", "WebSocket handshakes refused", counters.websockets_refused)
        yield _counter(
            "connections_timed_out", "SIP connections cut off by a limit of time", counters.connections_timed_out
        )
        yield _counter("store_rows", "Rows written", counters.rows_written)
        yield _gauge("store_rows_waiting", "Rows not written yet", counters.rows_waiting)
        yield _counter("store_rows_lost", "Rows lost; must be zero", counters.rows_dropped)
        yield _counter("control_cpu_seconds", "CPU of the control process", time.process_time())

    def _queues(self) -> Iterator[Metric]:
        families: dict[str, Metric] = {}
        for name, text in (
            ("waiting", "Callers waiting"),
            ("longest_wait", "Seconds the first one waits"),
            ("ready", "Ready agents"),
            ("talking", "Talking agents"),
            ("logged_in", "Agents logged in"),
            ("offered", "Calls offered today"),
            ("answered", "Calls answered today"),
            ("abandoned", "Calls abandoned today"),
            ("overflowed", "Calls overflowed today"),
            ("service_level", "Percent within the service level today; -1 before the first call"),
            ("average_wait", "Average wait in seconds today"),
            ("abandonment", "Percent abandoned today, short abandons left out; -1 before the first call"),
            ("occupancy", "Percent of staffed time that its agents talked or wrapped up today; -1 before any"),
            ("callbacks", "Call-backs that wait"),
            ("estimate", "Estimated wait in seconds of a caller who comes now; -1 when nothing can be said"),
            ("estimate_error", "Mean absolute error of today's estimates in seconds; -1 before the first"),
            ("estimate_bias", "Mean of wait less estimate in seconds today"),
            (
                "estimate_held",
                "Percent of today's waits within the estimate's interval, made for 80; -1 before the first",
            ),
        ):
            families[name] = GaugeMetricFamily(f"softswitch_queue_{name}", text, labels=["queue"])
        for row in self._operator.views.queues(self._operator.now):
            for name, family in families.items():
                family.add_sample(f"softswitch_queue_{name}", {"queue": row.name}, float(getattr(row, name)))
        yield from families.values()
        yield from self._spreads()

    def _spreads(self) -> Iterator[Metric]:
        """Seconds; counted since the start, so rates over any time can be made of them."""
        families = [
            (HistogramMetricFamily(f"softswitch_queue_{name}_seconds", text, labels=["queue"]), of)
            for name, text, of in (
                ("wait", "Wait of answered calls", "waits"),
                ("ring", "Ringing of the phone that answered", "rings"),
                ("talk", "Conversations", "talk_times"),
                ("wrap_up", "Wrap-ups", "wrap_up_times"),
            )
        ]
        for queue, spreads in sorted(self._operator.views.histograms().items()):
            for family, of in families:
                spread: Spread = getattr(spreads, of)
                steps = (*(str(float(step)) for step in spread.steps), "+Inf")
                counts = accumulate(spread.counts or [0] * len(steps))
                buckets = [(step, float(count)) for step, count in zip(steps, counts, strict=True)]
                family.add_metric([queue], buckets, spread.total)
        yield from (family for family, _ in families)

    def _agents(self) -> Iterator[Metric]:
        states: dict[str, int] = {}
        rows = self._operator.views.agents(self._operator.now)
        for row in rows:
            states[row.state] = states.get(row.state, 0) + 1
        family = GaugeMetricFamily("softswitch_agents", "Agents by state", labels=["state"])
        for state, count in sorted(states.items()):
            family.add_metric([state], count)
        yield family
        own = GaugeMetricFamily(
            "softswitch_agent_state", "1 in the state that the agent is in", labels=["agent", "state"]
        )
        occupancy = GaugeMetricFamily(
            "softswitch_agent_occupancy", "Percent of staffed time at work today; -1 before any", labels=["agent"]
        )
        for row in rows:
            own.add_metric([row.name, row.state], 1)
            occupancy.add_metric([row.name], row.occupancy)
        yield own
        yield occupancy

    def _quality(self) -> Iterator[Metric]:
        found = self._operator.views.quality
        for name, text, histogram in (
            ("mos", "Estimated MOS of what we heard (ITU-T G.107), one value a leg", found.mos),
            ("remote_mos", "Estimated MOS of what the peer heard by its reports, one value a leg", found.remote_mos),
            ("loss_percent", "Packets lost or late in percent, one value a leg", found.loss),
            ("jitter_ms", "Interarrival jitter in ms at the end (RFC 3550), one value a leg", found.jitter),
        ):
            counts = accumulate(histogram.counts)
            buckets = [
                (str(step), float(count)) for step, count in zip((*histogram.steps, "+Inf"), counts, strict=True)
            ]
            yield HistogramMetricFamily(f"softswitch_leg_{name}", text, buckets=buckets, sum_value=histogram.total)

    def _hooks(self) -> Iterator[Metric]:
        asked = CounterMetricFamily(
            "softswitch_hook_questions", "Questions to hooks, by what came of them", labels=["hook", "outcome"]
        )
        for row in self._operator.views.hooks(self._operator.now):
            for outcome, count in {"answered": row.answered, **row.failed}.items():
                asked.add_metric([row.name, outcome], count)
        yield asked

    def _trunks(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("softswitch_trunk_up", "1 up, 0 down, -1 unknown", labels=["trunk"])
        calls = GaugeMetricFamily("softswitch_trunk_calls", "Calls on the trunk", labels=["trunk"])
        for row in self._operator.views.trunks(self._operator.now):
            up.add_metric([row.name], {"up": 1, "down": 0}.get(row.health, -1))
            calls.add_metric([row.name], row.calls)
        yield up
        yield calls


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"softswitch_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"softswitch_{name}", text, value=value)
