"""Orders of operators and programs about conferences; and the rows that they see."""

from typing import TYPE_CHECKING

from softswitch.call.fabric import NoPort
from softswitch.kernel.clock import Instant
from softswitch.kernel.dice import token
from softswitch.kernel.errors import PeerError
from softswitch.switch import forwarding
from softswitch.switch.call import Call
from softswitch.switch.conferences import OWNER, Member, Room, shown
from softswitch.switch.dial_plan import Ringing
from softswitch.switch.events import ConferenceCommand
from softswitch.switch.origination import begun
from softswitch.switch.stages.conferring import ConferenceStage
from softswitch.switch.stages.originating import RingFirstStage
from softswitch.switch.stages.talking import TalkStage
from softswitch.switch.targets import Target, parse_target
from softswitch.switch.transfers import RINGS
from softswitch.switch.views import ConferenceMemberRow, ConferenceRow

if TYPE_CHECKING:
    from softswitch.switch.office import Office
    from softswitch.switch.switch import Switch


def check_conference(switch: "Switch", order: ConferenceCommand, now: Instant) -> None:
    """Raises `PeerError`: 404 when there is no such conference, member, call or phone, 422 when the phone cannot dial
    that number, 409 when the conference is full or nobody talks in the call, 503 while the switch drains."""
    if order.verb == "invite":
        _target(switch, order, now)
    elif order.verb == "gather":
        _talk(switch, order)
    else:
        switch.office.conferences.members(order.conference, order.member or "all")


def order_conference(switch: "Switch", order: ConferenceCommand, now: Instant) -> None:
    """Carry it out."""
    office = switch.office
    conferences = office.conferences
    try:
        if order.verb == "invite":
            _invite(switch, order, now)
            return
        if order.verb == "gather":
            _gather(switch, order, now)
            return
        room, members = conferences.members(order.conference, order.member or "all")
    except (PeerError, NoPort) as error:
        office.log(
            "warning", "conference order refused", conference=order.conference, verb=order.verb, reason=str(error)
        )
        return
    match order.verb:
        case "mute" | "unmute" if order.member in ("", "all"):
            conferences.silence_all(room, order.verb == "mute", order.by, now)
        case "mute" | "unmute":
            for member in members:
                conferences.silence(room, member, order.verb == "mute", order.by, now)
        case "kick":
            for member in members:
                conferences.eject(room, member, order.by, now)
        case "lock" | "unlock":
            conferences.lock(room, order.verb == "lock", order.by, now)
        case "end":
            conferences.end(room, now, by=order.by, why="ended by order")


def _target(switch: "Switch", order: ConferenceCommand, now: Instant) -> Target:
    """Whom the number reaches when the phone dials it, and that may be rung."""
    office = switch.office
    _known(office, order.conference)
    if order.phone not in office.settings.phones:
        raise PeerError(f"no phone {order.phone}", status=404)
    if office.conferences.refusal(order.conference, moderator=True):
        raise PeerError(f"conference {order.conference} is full", status=409)
    if switch.draining:
        raise PeerError("the switch is draining", status=503)
    dialled = office.directory.dialled(order.phone, order.number, now)
    target = None if dialled is None else parse_target(dialled)
    if target is None or target.kind not in RINGS:
        raise PeerError(f"phone {order.phone} rings nobody by dialling {order.number}", status=422)
    return target


def _invite(switch: "Switch", order: ConferenceCommand, now: Instant) -> None:
    """Ring the number on the phone's account; who answers is in the conference."""
    office, target = switch.office, _target(switch, order, now)
    room = office.conferences.by_name.get(order.conference)
    worker = office.fabric.pick() if room is None else room.worker
    phone = office.settings.phones[order.phone]
    rules = office.conferences.rules(order.conference)
    call = begun(
        office, order.phone, worker, now, called=f"{OWNER}{order.conference}", caller=phone.number or order.phone,
        name=phone.name or "", language=rules.language or office.settings.server.language,
    )  # fmt: skip
    call.number = order.number
    office.fact(
        "conference.invited",
        now,
        call.id,
        conference=order.conference,
        number=order.number,
        phone=order.phone,
        by=order.by,
    )
    ringing = forwarding.follow(call, office.directory.ringing(target, call, now), now)
    ringing = ringing or Ringing(str(target), refusal=404)
    if room is not None:
        room.ringing = {*(room.ringing & office.calls.keys()), call.id}
    stage = ConferenceStage(call, order.conference, invited=True)
    switch.enter(call, RingFirstStage(call, ringing, stage), now)


def _talk(switch: "Switch", order: ConferenceCommand) -> TalkStage:
    """The talk whose parties are to go, if they can."""
    office = switch.office
    _known(office, order.conference)
    call = office.calls.get(order.member)
    if call is None:
        raise PeerError(f"no live call {order.member}", status=404)
    talk = call.stage
    if not isinstance(talk, TalkStage) or (talk.transfer is not None and talk.transfer.third is None):
        raise PeerError(f"in call {call.id} nobody talks, or somebody is being rung", status=409)
    room = office.conferences.by_name.get(order.conference)
    limit = office.conferences.rules(order.conference).max_members
    if limit and len(talk.parties()) + (0 if room is None else len(room.members)) > limit:
        raise PeerError(f"conference {order.conference} has no room for {len(talk.parties())}", status=409)
    return talk


def _gather(switch: "Switch", order: ConferenceCommand, now: Instant) -> None:
    """Each party of the talk is in the conference, in a call of its own; the caller's goes on."""
    office, talk = switch.office, _talk(switch, order)
    call, name = talk.call, order.conference
    office.fact("conference.gathered", now, call.id, conference=name, parties=len(talk.parties()), by=order.by)
    third = None if talk.transfer is None else talk.transfer.release(now)
    others = [talk.callee] if third is None else [talk.callee, third]
    talk.give_up_callee(now)
    if third is not None:
        third.hear()
    call.move(_inside(call, name), now)
    call.rearm()
    for leg in others:
        call.gave(leg, now)
        seat = office.directory.seat(leg.peer)
        party = f"phone:{seat}" if seat else leg.peer
        phone = office.settings.phones.get(seat)
        number = call.number if phone is None else phone.number or seat
        id = f"{int(now):x}{token(office.dice, 40)}"
        leg.belong(id, party)
        new = Call(
            id, office, leg, source=party, caller=number, caller_name="" if phone is None else phone.name or "",
            called=f"{OWNER}{name}", language=call.language, max_forwards=call.max_forwards, now=now,
        )  # fmt: skip
        new.number = number
        office.guards.passed(leg, new)
        office.fact("call.started", now, id, source=party, caller=number, called=new.called)
        switch.enter(new, _inside(new, name), now)


def _inside(call: Call, name: str) -> ConferenceStage:
    moderator = call.office.directory.seat(call.leg.peer) in call.office.conferences.rules(name).moderators
    return ConferenceStage(call, name, moderator, invited=True)


def _known(office: "Office", name: str) -> None:
    if name not in office.conferences.by_name and name not in office.settings.conferences:
        raise PeerError(f"no conference {name}", status=404)


def conference_rows(office: "Office") -> list[ConferenceRow]:
    """Every conference that somebody is in."""
    return [_row(office, room) for room in office.conferences.by_name.values()]


def _row(office: "Office", room: Room) -> ConferenceRow:
    return ConferenceRow(
        name=room.name,
        since=room.opened,
        worker=room.worker,
        locked=room.locked,
        waiting=not room.begun,
        recording=room.path if room.recorder else "",
        ringing=sum(1 for id in room.ringing if (call := office.calls.get(id)) and call.stage.label == "ringing"),
        members=tuple(_member(member) for member in room.members.values()),
    )


def _member(member: Member) -> ConferenceMemberRow:
    return ConferenceMemberRow(
        call=member.call.id,
        party=member.leg.peer,
        number=shown(member),
        name="" if member.call.called.startswith(OWNER) else member.call.caller_name,
        moderator=member.moderator,
        muted=member.muted,
        silenced=member.silenced,
        held=member.leg.held_at is not None,
        talking=member.talks,
        level=round(member.level, 1),
        since=member.since,
    )
