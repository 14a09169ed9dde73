"""Wrong passwords, sweeps, lock-outs: whoever tries doors learns nothing and locks nobody out."""

from dataclasses import replace

from softswitch.sip import digest
from softswitch.sip.flow import Flow
from softswitch.switch.events import Arrived, LetIn
from softswitch.switch.settings import Defence, Phone, Settings, Sip, Trunk
from softswitch.wire.sip import Response, parse
from tests.switch.site import Party, Site

PASSWORD = "correct horse"
SETTINGS = Settings(
    sip=Sip(domain="pbx.test"),
    phones={"1001": Phone(password=PASSWORD), "1002": Phone(password=PASSWORD)},
    trunks={"carrier": Trunk(address="sip:198.51.100.10", options_seconds=0.0)},
)


def tries(site: Site, name: str, password: str, port: int, host: str = "203.0.113.9") -> int:
    """The final status of a REGISTER with that password."""
    party = Party(site, name, host, port, password)
    party.register()
    return party.responses[-1]


def events(site: Site) -> list[str]:
    return [event.event for event in site.security]


def test_wrong_passwords_lock_the_account_for_that_source_only() -> None:
    site = Site(SETTINGS)
    phone = site.phone("1001", "192.0.2.10", PASSWORD)
    for port in range(4):
        assert tries(site, "1001", f"guess {port}", 7000 + port) == 403
    assert tries(site, "1001", PASSWORD, 7010) == 403, "right, but nobody listens"
    assert events(site).count("locked-out") == 1
    phone.register()
    assert phone.responses[-1] == 200
    assert tries(site, "1001", PASSWORD, 5060, "192.0.2.77") == 200, "from elsewhere"
    site.run(2.5)
    assert tries(site, "1001", PASSWORD, 7011) == 200


def test_an_operator_ends_a_lock_out() -> None:
    """A phone with a wrong password has asked all night; then somebody types the right one."""
    site = Site(SETTINGS)
    for port in range(4):
        tries(site, "1001", "guess", 7000 + port)
    (row,) = site.switch.desk.locked(site.now)
    assert (row.address, row.account, row.failures, row.until - site.now) == ("203.0.113.9", "1001", 4, 2.0)
    site.give(LetIn("203.0.113.8"))
    assert tries(site, "1001", PASSWORD, 7010) == 403
    site.give(LetIn("203.0.113.9"))
    assert site.switch.desk.locked(site.now) == []
    assert tries(site, "1001", PASSWORD, 7011) == 200


def test_locks_grow_and_the_registered_flow_stays_good() -> None:
    """An attacker behind the phone's own address cannot lock it out."""
    site = Site(replace(SETTINGS, defence=Defence(bans=False, failures=100)))
    phone = site.phone("1001", "203.0.113.9", PASSWORD)
    waits = []
    for port in range(7000, 7100):
        if tries(site, "1001", "wrong", port) == 403 and site.switch.office.defence.wary:
            lock = site.switch.office.defence._locks["203.0.113.9", "1001"]
            waits.append(round(lock.until - site.now))
            phone.register()
            assert phone.responses[-1] == 200
            break
    for wait in (2, 4, 8):
        site.run(wait + 0.5)
        for port in range(4):
            tries(site, "1001", "wrong", 7200 + port + wait * 10)
        lock = site.switch.office.defence._locks.get(("203.0.113.9", "1001"))
        assert lock is not None
    site.run(600.0)


def test_failures_and_sweeps_ban_strangers_but_never_a_trunk() -> None:
    site = Site(replace(SETTINGS, defence=Defence(failures=5, accounts=6, lock_after=0)))
    for port in range(5):
        tries(site, f"{port}", "x", 7000 + port)
    assert [(ban.host, ban.reason) for ban in site.bans] == [("203.0.113.9", "5 wrong passwords")]
    for port in range(20):
        tries(site, f"{port}", "x", 7000 + port, "198.51.100.10")
    assert len(site.bans) == 1
    sweeper = Party(site, "x", "203.0.113.50")
    for number in range(6):
        sweeper.name = str(100 + number)
        sweeper.register()
    assert len(site.bans) == 1, "many phones behind one address begin at once"
    site.run(5.0)
    sweeper.name = "999"
    sweeper.register()
    assert (site.bans[-1].host, site.bans[-1].reason) == ("203.0.113.50", "6 accounts tried")


def test_phones_behind_one_address_that_answer_are_no_sweep() -> None:
    site = Site(replace(SETTINGS, defence=Defence(accounts=2)))
    for round_ in range(5):
        for name in ("1001", "1002"):
            assert tries(site, name, PASSWORD, 6000 + round_ * 10 + int(name[-1])) == 200
        site.run(6.0)
    assert not site.bans


def test_an_address_with_a_password_is_known_and_forgets_the_expired() -> None:
    site = Site(SETTINGS)
    knows = site.switch.desk.knows
    assert [knows(host, site.now) for host in ("198.51.100.10", "192.0.2.10", "203.0.113.9")] == [True, False, False]
    phone = site.phone("1001", "192.0.2.10", PASSWORD)
    assert knows("192.0.2.10", site.now)
    phone.register(expires=0)
    assert knows("192.0.2.10", site.now), "it had the password within the hour"
    site.run(3700.0)
    assert not knows("192.0.2.10", site.now)


def test_a_phone_that_moves_leaves_no_address_behind() -> None:
    site = Site(SETTINGS)
    for port in range(20):
        phone = Party(site, "1001", f"192.0.2.{50 + port}", 5060, PASSWORD)
        phone.register()
        site.run(1.0)
    site.run(700.0)
    registrations = site.switch.office.registrations
    assert not registrations._behind
    assert not registrations._hosts


def test_memory_of_strangers_is_bounded() -> None:
    defence = Site(replace(SETTINGS, defence=Defence(accounts=100_000))).switch.office.defence
    for number in range(30_000):
        flow = Flow("udp", (f"10.{number >> 8 & 255}.{number & 255}.{number >> 16}", 5060))
        defence.failed(flow, "REGISTER", str(number), "wrong", 1_000.0)
        defence.asked(flow, str(number), 1_000.0)
    assert defence.remembered() <= 30_000


# ----------------------------------------------------------------------------------------------------- no enumeration


def answers(method: str, user: str, password: str | None, hashes: list[str]) -> list[tuple[int, tuple[str, ...]]]:
    """Status and header names of what a stranger is told; with a password, after the challenge, too."""
    site = Site(replace(SETTINGS, defence=Defence(bans=False)))
    told: list[tuple[int, tuple[str, ...]]] = []
    hashes.clear()
    flow = Flow("udp", ("203.0.113.9", 5060))
    authorization = ""
    for cseq in (1, 2):
        text = (
            f"{method} sip:{user}@pbx.test SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.9;branch=z9hG4bK{cseq}\r\n"
            f"From: <sip:{user}@pbx.test>;tag=1\r\nTo: <sip:{user}@pbx.test>\r\nCall-ID: c\r\nMax-Forwards: 70\r\n"
            f"CSeq: {cseq} {method}\r\nContact: <sip:x@203.0.113.9>\r\n{authorization}Content-Length: 0\r\n\r\n"
        )
        site.effects(site.switch.receive(Arrived(parse(text.encode()), flow), site.now))
        sent = [parse(data) for _, remote, data in site.wire if remote == flow.remote]
        site.wire.clear()
        final = next((message for message in sent if isinstance(message, Response) and message.status >= 200), None)
        if final is None:
            break
        told.append((final.status, tuple(line.partition(":")[0] for line in final.headers.lines())))
        if password is None or final.status != 401:
            break
        credentials = digest.Credentials(user, password)
        value = digest.answer(
            final.headers.all("WWW-Authenticate"),
            credentials,
            method,
            f"sip:{user}@pbx.test",
            b"",
            site.switch.office.dice,
            1,
        )
        authorization = f"Authorization: {value}\r\n"
        hashes.clear()  # those were the client's
    return told


def test_unknown_and_known_are_answered_alike_after_the_same_work(monkeypatch: object) -> None:
    """For every method, with and without a (wrong) password; hash operations are counted, not time."""
    hashes: list[str] = []
    plain = dict(digest._HASHES)

    def counted(name: str) -> object:
        def hashed(data: bytes) -> str:
            hashes.append(name)
            return plain[name](data)

        return hashed

    monkeypatch.setattr(digest, "_HASHES", {name: counted(name) for name in plain})  # type: ignore[attr-defined]
    for method in ("REGISTER", "INVITE", "SUBSCRIBE", "OPTIONS", "MESSAGE", "PUBLISH"):
        for password in (None, "wrong"):
            known = answers(method, "1001", password, hashes)
            work = list(hashes)
            unknown = answers(method, "no-such-phone", password, hashes)
            assert known == unknown, (method, password)
            assert len(work) == len(hashes), (method, password)
            if method in ("REGISTER", "INVITE") and password:
                assert [status for status, _ in known] == [401, 403]
                assert len(work) == 2, "the request's digest alone"


def test_a_password_counts_from_the_phones_networks_only() -> None:
    """`accept_from` of a phone with a password, for REGISTER and INVITE; it is no proof of anything by itself."""
    phones = {"1001": Phone(password=PASSWORD, accept_from=("192.0.2.0/24",)), "1002": Phone(password=PASSWORD)}
    site = Site(replace(SETTINGS, phones=phones))
    assert tries(site, "1001", PASSWORD, 5060, "192.0.2.10") == 200
    assert tries(site, "1001", PASSWORD, 5060, "203.0.113.9") == 403
    site.phone("1002", "192.0.2.20", PASSWORD)
    assert Party(site, "1001", "203.0.113.10", 5060, PASSWORD).call("1002").status == 403
    assert Party(site, "1001", "192.0.2.11", 5060).call("1002").status == 401
    assert Party(site, "1001", "192.0.2.12", 5060, PASSWORD).call("1002").state == "up"


def test_of_many_who_proved_themselves_the_latest_are_known() -> None:
    """Ten thousand addresses within half an hour: no more are remembered, and none costs a look at all."""
    site = Site(SETTINGS)
    defence = site.switch.office.defence
    for number in range(10_100):
        defence.proved(Flow("udp", (f"203.0.{number // 250}.{number % 250 + 1}", 5060)), "1001", site.now)
        if not number % 100:
            defence.proved(Flow("udp", ("198.18.0.1", 5060)), "1002", site.now)  # comes again and again
    assert defence.remembered() == 10_000
    assert not defence.knows("203.0.0.1", site.now)
    assert defence.knows(f"203.0.{10_099 // 250}.{10_099 % 250 + 1}", site.now)
    assert defence.knows("198.18.0.1", site.now)
