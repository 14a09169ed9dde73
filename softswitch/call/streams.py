"""The further streams of a leg, beside its sound: video, and images of fax machines, which may be all there is; relayed
between the two ends of a bridge as they are.

A stream has a port and an id of its own in the media process. It is agreed on only when both ends want it: the callee
is offered what the caller offered, the caller is answered what the callee took, and everybody else gets port 0.
"""

from collections.abc import Mapping

from softswitch.call.fabric import Fabric, NoPort, Port
from softswitch.sip import relayed_media
from softswitch.sip.relayed_media import Section
from softswitch.wire.control import Edge, LegSpec, UpdateLeg
from softswitch.wire.sdp import Media


class Stream:
    """`media` is the peer's section, None until it is known; `said` is ours; `sees` the stream that it is sent."""

    __slots__ = ("id", "kind", "media", "opened", "port", "said", "sees", "spec")

    def __init__(self, kind: str, id: int, port: Port) -> None:
        self.kind = kind
        self.id = id
        self.port: Port | None = port
        self.media: Media | None = None
        self.said = ""
        self.opened = False
        self.spec: LegSpec | None = None
        self.sees = 0

    def not_opened(self) -> None:
        """Media could not open it, or lost it."""
        self.port = None
        self.opened = False


class Streams:
    """Those of one leg, by kind. `refused`: kinds that the peer did not want, and is not asked for again."""

    __slots__ = ("_fabric", "_latch", "_worker", "by_kind", "refused")

    def __init__(self, worker: int, latch: str, fabric: Fabric) -> None:
        self._worker = worker
        self._latch = latch
        self._fabric = fabric
        self.by_kind: dict[str, Stream] = {}
        self.refused: frozenset[str] = frozenset()

    def offer(self, wanted: Mapping[str, Media]) -> list[str]:
        """Sections of our offer to this leg, made of what the far end offers. What has no port is left out."""
        sections = []
        for kind, media in wanted.items():
            if (stream := self._stream(kind)) is not None and stream.port is not None:
                formats = relayed_media.formats_of(media)
                stream.said = relayed_media.written(
                    media, stream.port.number, media.proto, formats, media.direction, mux=True
                )
                sections.append(stream.said)
        return sections

    def again(self) -> list[str]:
        """Sections of a later offer: the streams as they stand."""
        return [stream.said for stream in self.by_kind.values()]

    def accept(self, answer: bytes, our_offer: bytes) -> None:
        """The peer answered our offer."""
        taken = relayed_media.accepted(answer, our_offer)
        for kind in tuple(self.by_kind):
            if kind in taken:
                media = taken[kind]
                self._settle(self.by_kind[kind], media, relayed_media.has_mux(media))
            else:
                self._refuse(kind)

    def answer(self, offered: Mapping[str, Section], far: "Streams | None") -> dict[int, str]:
        """Our sections for what the peer offers and the far end of the bridge has, by their places; other streams of
        this leg end."""
        sections = {}
        for kind, section in offered.items():
            other = None if far is None else far.by_kind.get(kind)
            model = None if other is None else other.media
            if model is None:
                continue
            formats = relayed_media.common(section.media, model)
            stream = self._stream(kind) if formats else None
            if stream is None or stream.port is None:
                continue
            direction = relayed_media.direction(section.media, model)
            mux = relayed_media.has_mux(section.media) and relayed_media.has_mux(model)
            stream.said = relayed_media.written(
                model, stream.port.number, section.media.proto, formats, direction, mux=mux
            )
            self._settle(stream, section.media, mux)
            sections[section.place] = stream.said
        said = sections.values()
        for kind in [kind for kind, one in self.by_kind.items() if one.media is not None and one.said not in said]:
            self._drop(kind)  # what the peer has yet to be asked for stays
        return sections

    def watch(self, far: "Streams | None") -> None:
        """From now on each stream is sent the far end's of its kind, or nothing."""
        for kind, stream in self.by_kind.items():
            other = None if far is None else far.by_kind.get(kind)
            wanted = other.id if other is not None and other.opened and stream.opened else 0
            if wanted == stream.sees:
                continue
            if stream.sees and stream.opened:
                self._fabric.disconnect(self._worker, Edge(stream.sees, stream.id))
            if wanted:
                self._fabric.connect(self._worker, Edge(wanted, stream.id))
            stream.sees = wanted

    def end(self, kind: str) -> None:
        """That stream is over."""
        if kind in self.by_kind:
            self._drop(kind)

    def forget_unanswered(self) -> None:
        """What the peer was asked for, and has not agreed to."""
        for kind in [kind for kind, stream in self.by_kind.items() if stream.media is None]:
            self._refuse(kind)

    def close(self) -> None:
        """The leg is over."""
        for kind in tuple(self.by_kind):
            self._drop(kind)

    # ---------------------------------------------------------------------------------------------------------- within

    def _stream(self, kind: str) -> Stream | None:
        """The stream of that kind, a new one if there is a port for it."""
        stream = self.by_kind.get(kind)
        if stream is None:
            try:
                port = self._fabric.take(self._worker)
            except NoPort:
                return None
            stream = self.by_kind[kind] = Stream(kind, self._fabric.new_id(), port)
        return stream

    def _settle(self, stream: Stream, media: Media, mux: bool) -> None:
        stream.media = media
        spec = relayed_media.spec_of(media, mux=mux, latch=self._latch)
        if not stream.opened and stream.port is not None:
            self._fabric.open_stream(stream, stream.port, spec)
            stream.opened = True
        elif stream.opened and spec != stream.spec:
            self._fabric.command(self._worker, UpdateLeg(stream.id, spec))
        stream.spec = spec

    def _refuse(self, kind: str) -> None:
        self.refused |= {kind}
        self._drop(kind)

    def _drop(self, kind: str) -> None:
        stream = self.by_kind.pop(kind)
        if stream.port is not None:
            if stream.opened:
                self._fabric.close_leg(stream.id, stream.port)
            else:
                self._fabric.give_back(stream.port)
        stream.not_opened()
