"""What a party and we have said of the stream: offers and answers (RFC 3264), whose turn it is, and what was agreed.

Nothing here is told anybody: the leg sends what this writes, and opens the stream as agreed. A port is taken when the
first description is written.
"""

from collections.abc import Mapping
from functools import partial

from softswitch.call.fabric import Fabric, Port
from softswitch.call.stream_policy import StreamPolicy
from softswitch.call.streams import Streams
from softswitch.kernel.errors import PeerError
from softswitch.sip import fax_media
from softswitch.sip.codec_table import Format, match
from softswitch.sip.counterpart import SILENT, SWITCH, Counterpart, counterpart_of
from softswitch.sip.offer_answer import (
    Capabilities,
    Negotiated,
    accept,
    answer,
    first_common,
    formats_in,
    make_offer,
    silent_answer,
)
from softswitch.sip.relayed_media import Section, sections_of
from softswitch.sip.relayed_media import accepted as accepted_sections
from softswitch.sip.secure_media import Means, has_secrets
from softswitch.wire.sdp import Media, parse_sdp


class Description:
    """`stream` is the leg's id in the media process `worker`. `offer` is theirs until we answer it; `pending` ours in
    a 2xx until the ACK answers it; `reoffered` ours in a re-INVITE until it is answered. `sdp` is what we said last,
    `early` are their answers before a 2xx, by To tag, `known` the codecs of their first offer, `streams` what is
    beside the sound; `recorded` is what we say of recording: `on`, `paused`, `off`, or nothing."""

    __slots__ = (
        "_capable", "_checked", "_fabric", "_means", "_origin", "_policy", "_stream", "_version", "_worker", "early",
        "known", "negotiated", "offer", "pending", "port", "recorded", "reoffered", "sdp", "streams",
    )  # fmt: skip

    def __init__(self, stream: int, worker: int, policy: StreamPolicy, fabric: Fabric) -> None:
        self._stream = stream
        self._origin = stream  # of our descriptions (RFC 4566 §5.2): the same through the leg's life
        self._worker = worker
        self._policy = policy
        self._fabric = fabric
        self._checked = False
        self._capable: Capabilities | None = None  # as long as the port is ours
        self._means: Means | None = None  # our keys stay the same through the leg's life
        self._version = 0
        self.port: Port | None = None
        self.negotiated: Negotiated | None = None
        self.known: tuple[Format, ...] = ()
        self.offer: bytes = b""
        self.pending: bytes = b""
        self.reoffered: bytes = b""
        self.sdp: bytes = b""
        self.early: dict[str, bytes] = {}
        self.recorded = ""
        self.streams: Streams | None = None

    @property
    def origin(self) -> int:
        """The session id of our descriptions."""
        return self._origin

    @property
    def version(self) -> int:
        """That of our last description."""
        return self._version

    def recall(
        self, stream: int, origin: int, version: int, sdp: bytes, known: tuple[Format, ...], recorded: str
    ) -> None:
        """Go on from what another process has said."""
        self._stream, self._origin, self._version = stream, origin, version
        self.sdp, self.known, self.recorded = sdp, known, recorded
        self._checked = True

    # ------------------------------------------------------------------------------------------------- what fits whom

    @property
    def means(self) -> Means:
        """What we may secure the stream with."""
        if self._means is None:
            self._means = self._fabric.means(self._stream, self._worker, self._policy.srtp, self._policy.webrtc)
        return self._means

    def received(self, offer: bytes) -> None:
        """The INVITE's offer; it may be empty (delayed offer)."""
        self.offer = offer
        self._checked = False

    def check_offer(self) -> None:
        """Whether their offer can be met at all, before anybody is rung. Raises `PeerError` (400, 488)."""
        if self.offer and not self._checked:
            self.known = formats_in(self.offer, self.means)
            far = self.counterpart(True)
            if not far.formats and not far.silent:
                first_common(self.offer, self._policy.codecs, self.means)  # says what was wrong
            self._checked = True

    def counterpart(self, through: bool) -> Counterpart:
        """What another party should be offered, to be bridged with this one. `through`: what we cannot decode may pass
        from end to end, which it must where nothing else is in common."""
        if self.negotiated is not None:
            format = self.negotiated.format
            return Counterpart((format,), format.mixed, not format.mixed)
        if not self.known:
            return SILENT if fax_media.KIND in self.further_offered() else SWITCH
        policy = self._policy
        return counterpart_of(self.known, policy.codecs, passthrough=policy.passthrough, through=through)

    def spoken(self) -> Counterpart:
        """Those codecs of their first offer that we speak ourselves."""
        return counterpart_of(self.known, self._policy.mixed, passthrough=False, through=False)

    def further_offered(self) -> Mapping[str, Media]:
        """The sections beside the sound that another party should be offered, by kind."""
        if self.negotiated is not None or not self.offer or not self._policy.further:
            return {}
        return {kind: section.media for kind, section in self._relayable(self.offer).items()}

    @property
    def silent(self) -> bool:
        """Whether images are agreed on, and no sound."""
        return self.negotiated is None and self.images

    @property
    def images(self) -> bool:
        """Whether images are agreed on since the first offer, beside the sound or without."""
        streams = self.streams
        return streams is not None and fax_media.KIND in streams.by_kind and streams.by_kind[fax_media.KIND].opened

    # --------------------------------------------------------------------------------------------------- what we write

    def first_offer(self, far: Counterpart, further: Mapping[str, Media] | None) -> bytes:
        """Our offer for a bridge with `far`, who also offers the sections `further`. Raises `NoPort`, and `PeerError`
        (488) when nothing fits `far`, or only images would and this party takes none."""
        capable = self._capabilities()
        sections: list[str] = []
        further = {kind: media for kind, media in (further or {}).items() if kind in self._policy.further}
        if further:
            self.streams = Streams(self._worker, self._policy.latch, self._fabric)
            sections = self.streams.offer(further)
        if far.silent and not sections:
            raise PeerError("images alone are offered, and this party takes none", status=488)
        self.sdp = make_offer(capable, self._origin, self._version, far=far, sections=sections)
        return self.sdp

    def first_answer(self, like: Format | None, far: Streams | None) -> Negotiated | None:
        """Our answer to the INVITE's offer is `sdp` from here on; None: it takes images and no sound. `like` is the
        codec that is wanted, `far` what the other end of the bridge has beside the sound.
        Raises `PeerError` (488) or `NoPort`."""
        capable = self._capabilities()  # the sound's port comes first
        sections = self._answer_sections(self.offer, far)
        negotiated = None
        if like is None and self.images:
            self.sdp = silent_answer(self.offer, capable, self._origin, self._version, sections)
        else:
            self.sdp, negotiated = answer(
                self.offer, capable, self._origin, self._version, codecs=self._policy.mixed, like=like,
                sections=sections,
            )  # fmt: skip
        self.offer = b""
        return negotiated

    def later_answer(self, offer: bytes, far: "Description | None") -> tuple[bytes, Negotiated | None]:
        """Our answer to a later offer: the codec stays if it can; what passes from end to end must stay. It counts
        once `said`. None: images go on without sound. Raises `PeerError`."""
        alone = self.silent or (far is not None and far.silent)
        if alone and fax_media.KIND in self._relayable(offer) and not fax_media.has_sound(offer):
            sections = self._answer_sections(offer, None if far is None else far.streams)
            if sections:
                capable, version = self._capabilities(), self._version + 1
                return silent_answer(offer, capable, self._origin, version, sections, self.sdp), None
        said = self.said_format()
        theirs = None if far is None else far.negotiated
        reply = partial(
            answer,
            offer,
            self._capabilities(),
            self._origin,
            self._version + 1,
            codecs=self._policy.mixed if said is None or said.mixed else (),
            like=said,
            prefer=None if theirs is None else theirs.format.name,
            previous=self.sdp,
        )
        if self.streams is not None:
            reply()  # raises before anything has changed
        return reply(sections=self._answer_sections(offer, None if far is None else far.streams))

    def new_streams(self, offer: bytes) -> dict[str, Media]:
        """The video that a later offer of theirs has, and we have not agreed on; none in an offer that holds us. Raises
        nothing: what cannot be read has none."""
        if "video" not in self._policy.further or (self.streams is not None and "video" in self.streams.by_kind):
            return {}
        try:
            held = any(media.kind == "audio" and media.direction != "sendrecv" for media in parse_sdp(offer).media)
            found = None if held else self._relayable(offer).get("video")
        except PeerError:
            return {}
        return {} if found is None else {"video": found.media}

    def add_streams(self, wanted: Mapping[str, Media]) -> bool:
        """The next offer of ours has these sections, too; False when none of them can be had."""
        kinds = set(self._policy.further)
        if self.streams is not None:
            kinds -= self.streams.by_kind.keys() | self.streams.refused
        wanted = {kind: media for kind, media in wanted.items() if kind in kinds}
        if not wanted:
            return False
        if self.streams is None:
            self.streams = Streams(self._worker, self._policy.latch, self._fabric)
        return bool(self.streams.offer(wanted))

    def forget_unanswered(self) -> None:
        """Streams that were asked for, and not agreed to."""
        if self.streams is not None:
            self.streams.forget_unanswered()

    def later_offer(self, far: Counterpart, *, images: bool = True) -> bytes:
        """A later offer of ours, made for `far`, with the images that there are unless told otherwise. It counts once
        `said`."""
        sections = [] if self.streams is None else self.streams.again()
        if not images:
            sections = [section for section in sections if not section.startswith(f"m={fax_media.KIND} ")]
        return make_offer(
            self._capabilities(), self._origin, self._version + 1, far=far, previous=self.sdp, sections=sections
        )

    def same_again(self) -> bytes:
        """The stream as it stands, and what we could change to: `sdp` from here on."""
        sdp = self.later_offer(self.as_said())
        self.said(sdp)
        return sdp

    def said(self, sdp: bytes) -> None:
        """That is what we have said."""
        if sdp != self.sdp:
            self._version += 1
            self.sdp = sdp

    def say_recorded(self, word: str) -> None:
        """What the next description says of recording."""
        self.recorded, self._capable = word, None

    def set_aside(self) -> int:
        """The stream gives way to another (a fax): the version of the description that says so. What we said of the
        stream is kept under it, and is like nothing that we write: the next one has a version of its own (RFC 3264
        §8)."""
        self._version += 1
        self.sdp = fax_media.renumbered(self.sdp, self._version).replace(b"\r\ns=-\r\n", b"\r\ns=- \r\n")
        return self._version

    def said_format(self) -> Format | None:
        """The codec in use as our last description has it."""
        if self.negotiated is None or not self.sdp:
            return None
        return match(self.negotiated.format, formats_in(self.sdp, self.means))

    def as_said(self) -> Counterpart:
        """Whom an offer is for that is to change nothing."""
        if self.silent:
            return SILENT
        said = self.said_format()
        return SWITCH if said is None else Counterpart((said,), said.mixed, not said.mixed)

    # ------------------------------------------------------------------------------------------------ what they answer

    def accepted(self, body: bytes, offer: bytes) -> Negotiated | None:
        """Their answer to `offer`, which is ours. None: it takes images and no sound. Raises `PeerError`."""
        negotiated = None
        if not self._images_alone(body, offer):
            negotiated = accept(body, offer, self._capabilities().packet_times)
        if self.streams is not None:
            self.streams.accept(body, offer)
        return negotiated

    # --------------------------------------------------------------------------------------------------------- the way

    def elsewhere(self, worker: int) -> None:
        """Nothing was promised yet, and it will be written for another media process."""
        self._worker, self._means = worker, None

    def moved(self, stream: int, worker: int, port: Port) -> None:
        """The stream goes on as another one, in another media process."""
        self._stream, self._worker, self.port = stream, worker, port
        self._capable = self._means = None

    def forget(self) -> None:
        """The party is gone: what was said is of no use any more."""
        self.offer = self.pending = self.reoffered = self.sdp = b""
        self.early, self.known = {}, ()
        self._capable = self._means = None

    # ---------------------------------------------------------------------------------------------------------- within

    def _capabilities(self) -> Capabilities:
        if self.port is None:
            self.port = self._fabric.take(self._worker)
            self._capable = None
        if self._capable is None:
            policy = self._policy
            self._capable = Capabilities(
                policy.codecs,
                policy.dtmf in ("auto", "rfc4733"),
                policy.address,
                self.port.number,
                packet_times=policy.packet_times,
                through=policy.passthrough,
                means=self.means,
                record=f"a=record:{self.recorded}\r\n" if self.recorded else "",
            )
        return self._capable

    def _images_alone(self, body: bytes, offer: bytes) -> bool:
        """Whether their answer to our offer takes images and no sound."""
        if self.streams is None or fax_media.KIND not in self.streams.by_kind:
            return False
        return fax_media.KIND in accepted_sections(body, offer) and not fax_media.has_sound(body)

    def _relayable(self, offer: bytes) -> dict[str, Section]:
        """What they offer beside the sound, and we may relay: images are in the clear, and not beside sound that is
        not."""
        kinds = self._policy.further
        if kinds and has_secrets(offer):
            kinds = tuple(kind for kind in kinds if kind != fax_media.KIND)
        return sections_of(offer, kinds) if kinds else {}

    def _answer_sections(self, offer: bytes, far: Streams | None) -> dict[int, str]:
        """Our sections beside the sound for what they offer."""
        sections = self._relayable(offer)
        if self.streams is None:
            if not sections or far is None:
                return {}
            self.streams = Streams(self._worker, self._policy.latch, self._fabric)
        return self.streams.answer(sections, far)
