"""Whatever is ordered in whatever order, each tick gives frames, and nothing is left when all have gone."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from test_planes import WidePeer
from virtual import Peer, Stage

from softswitch.media.codecs import CODECS
from softswitch.media.player import Clip
from softswitch.wire import control
from softswitch.wire.control import Connect, Disconnect, Edge

LEGS, PLAYERS, RECORDERS, ROOMS = (1, 2, 3, 4, 5, 6), (11, 12), (21, 22), (31, 32)
CODEC = [name for name in ("PCMU", "PCMU", "PCMA", "L16", "G722", "opus") if name in CODECS]
SOUND = np.random.default_rng(2).integers(-8000, 8000, 320).astype(np.int16)

legs, players, recorders, rooms = (st.sampled_from(ids) for ids in (LEGS, PLAYERS, RECORDERS, ROOMS))
gains = st.sampled_from([0.0, 0.5, 1.0, 1.0, 3.0])
edges = st.builds(
    Edge, st.one_of(legs, legs, players, rooms), st.one_of(legs, legs, recorders, rooms), st.integers(0, 1), gains
)
items = st.sampled_from(
    [(control.ToneItem((425.0, 330.5), 70, 30, 2),), (control.SilenceItem(30), control.FileItem("/f")), ()]
)
steps = st.one_of(
    st.tuples(st.just("open"), st.integers(0, 5)),
    st.tuples(st.just("open"), st.integers(0, 1)),
    st.tuples(st.just("say"), st.integers(0, 5)),
    st.tuples(st.just("say"), st.integers(0, 5)),
    st.just(("tick",)),
    st.just(("tick",)),
    st.just(("load",)),
    st.builds(control.CloseLeg, legs),
    st.builds(lambda some: Connect(tuple(some)), st.lists(edges, min_size=1, max_size=4)),
    st.builds(lambda some: Disconnect(tuple(some)), st.lists(edges, min_size=1, max_size=4)),
    st.builds(control.Play, players, items, st.integers(0, 2)),
    st.builds(control.StopPlay, players),
    st.builds(lambda id, channels: control.Record(id, "/r", channels), recorders, st.integers(1, 2)),
    st.builds(control.PauseRecord, recorders),
    st.builds(control.ResumeRecord, recorders),
    st.builds(control.StopRecord, recorders),
    st.builds(control.OpenRoom, rooms),
    st.builds(control.JoinRoom, rooms, st.one_of(legs, players, recorders), gains, gains),
    st.builds(control.LeaveRoom, rooms, st.one_of(legs, players, recorders)),
    st.builds(control.CloseRoom, rooms),
    st.builds(lambda leg: control.SendDigits(leg, "1", 60), legs),
    st.builds(lambda leg, on: ("hold", leg, on), legs, st.booleans()),
)


class Day:
    """Six phones that come and go; a leg that comes back has a new id and slot."""

    def __init__(self):
        self.stage = Stage(slots=64)
        self.up = {}
        self.ids = {}
        self.used = 0

    def real(self, id):
        return self.ids.get(id, id)

    def do(self, step):
        match step:
            case ("open", n):
                if n not in self.up and self.used < 60:
                    id, row = 100 + self.used, self.used
                    self.used += 1
                    self.ids[n + 1] = id
                    codec = CODEC[n % len(CODEC)]
                    if codec in ("PCMU", "PCMA"):
                        self.up[n] = Peer(self.stage, id, row, ("PCMU", "PCMA").index(codec))
                    else:
                        self.up[n] = WidePeer(self.stage, id, row, codec)
            case ("say", n):
                if (peer := self.up.get(n)) is not None:
                    peer.say(SOUND[:160] if isinstance(peer, Peer) else SOUND)
            case ("tick",):
                self.stage.run()
            case ("load",):
                self.stage.engine.loaded("/f", Clip(SOUND))
            case ("hold", leg, on):
                if (spec := self.spec(leg)) is not None:
                    spec = control.LegSpec(spec.codec, spec.payload_type, 101, spec.remote, send=on, receive=on)
                    self.stage.command(control.UpdateLeg(self.real(leg), spec))
            case control.CloseLeg(leg):
                self.up.pop(leg - 1, None)
                self.stage.command(control.CloseLeg(self.real(leg)))
            case Connect(some) | Disconnect(some):
                self.stage.command(
                    type(step)(tuple(Edge(self.real(e.source), self.real(e.sink), e.channel, e.gain) for e in some))
                )
            case control.JoinRoom(room, member, speak, hear):
                self.stage.command(control.JoinRoom(room, self.real(member), speak, hear))
            case control.LeaveRoom(room, member):
                self.stage.command(control.LeaveRoom(room, self.real(member)))
            case control.SendDigits(leg, digits, ms):
                self.stage.command(control.SendDigits(self.real(leg), digits, ms))
            case _:
                self.stage.command(step)
        for effect in self.stage.effects:
            if type(effect).__name__ == "FinishFile":
                self.stage.engine.tapes.finished(effect.recorder)
        self.stage.effects.clear()

    def spec(self, leg):
        known = self.stage.engine.legs.by_id.get(self.real(leg))
        return None if known is None else known.spec

    def end(self):
        """Everybody goes."""
        stage, engine = self.stage, self.stage.engine
        for n in list(self.up):
            self.do(control.CloseLeg(n + 1))
        for player in list(engine.sounds.players):
            if player >= 0:
                self.do(control.StopPlay(player))
        for recorder in list(engine.tapes.recorders.by_id):
            self.do(control.StopRecord(recorder))
        for room in list(engine.rooms.by_id):
            self.do(control.CloseRoom(room))
        stage.run(150)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=60))
def test_any_day_ends_empty(day_of):
    day = Day()
    for step in day_of:
        day.do(step)
    day.end()
    engine = day.stage.engine
    assert engine.edges.count == 0
    assert engine.plan.idle
    assert not engine.busy
    assert not engine.relay.routes
    assert not engine.relay.many
    assert len(engine.free) == 64
    plan = engine.plan
    assert not plan._routed
    assert not plan._mixed
    assert not plan._hearing
    assert not plan._listeners
    assert all(len(matrix.heard) == len(matrix.spoken) == 0 for matrix in plan.matrices)
    assert not engine.legs.received["decode"].any()
    assert not engine.sounds._by_place
    assert len(engine.sounds._free) <= 2 + 60
