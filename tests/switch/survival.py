"""`kill -9` of control in virtual time: the switch of a site is gone with all that it knew; another one begins with
what the store has. Phones, the carrier and the media process know nothing of it."""

from random import Random

from softswitch.acd.model import Fact
from softswitch.services import call_journal
from softswitch.switch.events import Reported
from softswitch.switch.records import CallRecord, ForgottenLiveCall, SavedBinding, SavedLiveCall
from softswitch.switch.switch import Switch
from tests.switch.site import HOST, At, Site


def kept(site: Site) -> list[SavedLiveCall]:
    """The journal as the store gives it back."""
    return call_journal.rows(b"".join(lines(site)).splitlines())


def lines(site: Site) -> list[bytes]:
    """The journal as it is written."""
    written = (record for record in site.saved if isinstance(record, SavedLiveCall | ForgottenLiveCall))
    return [call_journal.line(record) for record in written]


def crash(site: Site, *, after: float = 2.0, media: bool = True) -> None:
    """Control dies now, and `after` seconds later the next one is there. Without `media` its process died, too."""
    old = site.switch
    site.wire.clear()
    site.later.clear()
    live, seen = kept(site), site.now
    facts = [record for record in site.saved if isinstance(record, Fact)]
    finished = [record.id for record in site.saved if isinstance(record, CallRecord)]
    bindings = {(record.aor, record.contact): record for record in site.saved if isinstance(record, SavedBinding)}
    site.now += after
    if not media:
        for process in site.processes:
            process.lose_everything()
    dice = Random(site.now)  # others than those of the dead one: tags and branches never come again
    site.switch = Switch(
        old.office.settings, At(HOST, 5060), dice, site.now, lambda name, language: f"{language}/{name}"
    )
    site.switch.recall(facts)
    site.switch.recovery.finished(finished)
    agents = {name: {"logged_in": True} for name in old.office.settings.agents}
    site.switch.restore(bindings.values(), agents, (), site.now, calls=live, seen=seen)
    site.effects(site.switch.start(site.now))
    for number, process in enumerate(site.processes):
        site.give(Reported(number, (process.ready(),)))


def the_record(site: Site) -> CallRecord:
    site.run(3.0)
    (record,) = site.records(CallRecord)
    assert isinstance(record, CallRecord)
    return record


def nothing_left(site: Site) -> None:
    site.nothing_left()
    assert not kept(site)
