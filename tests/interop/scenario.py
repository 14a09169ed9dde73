"""SIPp scenarios in a few words: `Scenario().invite().receive(180).receive(200).ack().pause(500).bye()`.

Requests within the dialog go to the Contact of the switch, as a real phone's do.
"""

_CALLER = "sip:[from]@[local_ip]:[local_port]"
_CALLED = "sip:[number]@[remote_ip]:[remote_port]"

SDP = """v=0
o=sipp 1 {version} IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio {port} RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a={direction}"""


def sdp(direction: str = "sendrecv", version: int = 1, port: int = 0) -> str:
    """A body; `port` 0 is one of SIPp's own."""
    return SDP.format(direction=direction, version=version, port=port or "[media_port]")


class Scenario:
    """Steps are added one by one; `xml()` makes the file. The call's own sequence number counts by itself."""

    def __init__(self, name: str = "call") -> None:
        self._name = name
        self._steps: list[str] = []
        self._sequence = 0
        self._invite = 0
        self._invited_at = 0
        self._calling = True
        self._call_id = "[call_id]"

    def xml(self) -> str:
        used = "".join(self._steps)
        kept = [name for name in ("local", "remote", "via", "cseq", "from,caller") if f'assign_to="{name}"' in used]
        reference = f'<Reference variables="{",".join(kept)}"/>' if kept else ""
        return (
            '<?xml version="1.0" encoding="ISO-8859-1" ?>\n<!DOCTYPE scenario SYSTEM "sipp.dtd">\n'
            f'<scenario name="{self._name}">\n' + "\n".join(self._steps) + f"\n{reference}\n</scenario>\n"
        )

    # ----------------------------------------------------------------------------------------------- the calling side

    def dialog(self, name: str) -> "Scenario":
        """What follows is in another dialog: SIPp leaves out what stands before /// when it seeks the call."""
        self._call_id = f"{name}///[call_id]"
        return self

    def invite(self, body: str | None = "", headers: str = "") -> "Scenario":
        """A new call; `body` None asks the other side for the offer."""
        self._sequence += 1
        self._invite = self._sequence
        self._invited_at = len(self._steps)  # SIPp's [branch-N] looks N steps back
        return self._send(
            f"""INVITE {_CALLED} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <{_CALLER}>;tag=[pid]c[call_number]
To: <{_CALLED}>
Call-ID: {self._call_id}
CSeq: {self._sequence} INVITE
Contact: <{_CALLER};transport=[transport]>
Max-Forwards: 70
{headers}""",
            sdp() if body == "" else body,
            'retrans="4000"',
        )

    def ack(self, body: str | None = None, *, failure: bool = False) -> "Scenario":
        """For a 2xx; `failure` for other finals (same branch, same Request-URI)."""
        uri = _CALLED if failure else "[next_url]"
        branch = f"[branch-{len(self._steps) - self._invited_at}]" if failure else "[branch]"
        return self._send(
            f"""ACK {uri} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch={branch}
{self._parties("peer")}
Call-ID: {self._call_id}
CSeq: {self._invite} ACK
Max-Forwards: 70
""",
            body,
        )

    def cancel(self) -> "Scenario":
        """RFC 3261 §9.1: the same branch and number as the INVITE."""
        return self._send(
            f"""CANCEL {_CALLED} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-{len(self._steps) - self._invited_at}]
From: <{_CALLER}>;tag=[pid]c[call_number]
To: <{_CALLED}>
Call-ID: {self._call_id}
CSeq: {self._invite} CANCEL
Max-Forwards: 70
""",
            None,
            'retrans="4000"',
        )

    def register(
        self, user: str, password: str = "", *, contact_port: int = 0, expires: int = 300, contact: str = ""
    ) -> "Scenario":
        """A REGISTER; with a password it answers the challenge that was received before. `contact` is written as it is,
        `none` leaves it out; otherwise it is the user at `contact_port`."""
        self._sequence += 1
        contact = contact or f"<sip:{user}@[local_ip]:{contact_port};transport=[transport]>"
        binding = "" if contact == "none" else f"Contact: {contact}\n"
        headers = f"[authentication username={user} password={password}]\n" if password else ""
        return self._send(
            f"""REGISTER sip:[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{user}@pbx.test>;tag=[pid]c[call_number]
To: <sip:{user}@pbx.test>
Call-ID: {self._call_id}
CSeq: {self._sequence} REGISTER
{binding}Max-Forwards: 70
Expires: {expires}
{headers}""",
            None,
            'retrans="4000"',
        )

    def subscribe(
        self,
        user: str,
        number: str,
        password: str = "",
        *,
        event: str = "dialog",
        expires: int = 300,
        within: bool = False,
    ) -> "Scenario":
        """A SUBSCRIBE (RFC 6665), `within` the dialog of the one before or outside; with a password it answers the
        challenge that was received before."""
        self._sequence += 1
        headers = f"[authentication username={user} password={password}]\n" if password else ""
        tag = "[peer_tag_param]" if within else ""
        return self._send(
            f"""SUBSCRIBE sip:{number}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{user}@pbx.test>;tag=[pid]c[call_number]
To: <sip:{number}@pbx.test>{tag}
Call-ID: [call_id]
CSeq: {self._sequence} SUBSCRIBE
Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>
Event: {event}
Max-Forwards: 70
Expires: {expires}
{headers}""",
            None,
            'retrans="4000"',
        )

    def message(self, text: str) -> "Scenario":
        """RFC 3428: a text outside a dialog."""
        self._sequence += 1
        return self._send(
            f"""MESSAGE {_CALLED} SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <{_CALLER}>;tag=[pid]c[call_number]
To: <{_CALLED}>
Call-ID: [call_id]
CSeq: {self._sequence} MESSAGE
Max-Forwards: 70
""",
            text,
            'retrans="4000"',
            "text/plain",
        )

    # ------------------------------------------------------------------------------------------------ the called side

    def called(self) -> "Scenario":
        """Wait for an INVITE; `$caller` is its From tag from then on."""
        self._calling = False
        self._steps.append(
            '<recv request="INVITE" rrs="true"><action>'
            '<ereg regexp=".*;tag=([^;]*)" search_in="hdr" header="From:" assign_to="from,caller"/>'
            '<ereg regexp=".*" search_in="hdr" header="From:" assign_to="remote"/>'
            '<ereg regexp=".*" search_in="hdr" header="To:" assign_to="local"/>'
            '<ereg regexp=".*" search_in="hdr" header="Via:" assign_to="via"/>'
            '<ereg regexp=".*" search_in="hdr" header="CSeq:" assign_to="cseq"/></action></recv>'
        )
        return self

    def reply(
        self,
        status: int,
        reason: str,
        body: str | None = None,
        *,
        tag: bool = True,
        cseq: str = "[last_CSeq:]",
        headers: str = "",
        contact: str = "Contact: <sip:[local_ip]:[local_port];transport=[transport]>\n",
    ) -> "Scenario":
        """Answer the latest request."""
        to = "[last_To:];tag=[pid]s[call_number]" if tag else "[last_To:]"
        return self._send(
            f"""SIP/2.0 {status} {reason}
[last_Via:]
[last_From:]
{to}
[last_Call-ID:]
{cseq}
{contact}{headers}""",
            body,
            'retrans="4000"' if status >= 200 and body is not None else "",
        )

    def reply_later(self, status: int, reason: str, body: str | None = None, headers: str = "") -> "Scenario":
        """Answer the INVITE when other requests have come since."""
        return self._send(
            f"""SIP/2.0 {status} {reason}
Via:[$via]
From:[$remote]
To:[$local];tag=[pid]s[call_number]
[last_Call-ID:]
CSeq:[$cseq]
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
{headers}""",
            body,
            'retrans="4000"' if status >= 200 else "",
        )

    def reply_to_invite(self, status: int, reason: str) -> "Scenario":
        """Answer the INVITE after its CANCEL: same Via and number (RFC 3261 §9.1), other method."""
        return self.reply(status, reason, cseq="CSeq: [last_cseq_number] INVITE")

    def ok(self) -> "Scenario":
        """200 for a request within the dialog, whose To has our tag already."""
        return self.reply(200, "OK", tag=False)

    # --------------------------------------------------------------------------------------------------- both sides

    def receive(
        self,
        what: int | str,
        *,
        optional: bool = False,
        timeout: int = 0,
        routes: bool = False,
        take: tuple[str, str, str] | None = None,
    ) -> "Scenario":
        """A response (number) or a request (method). `routes`: its Contact is where later requests go. `take`: a header
        field, an expression for the part of it that is kept, and under which name."""
        kind = "response" if isinstance(what, int) else "request"
        rules = ' optional="true"' if optional else ""
        rules += f' timeout="{timeout}"' if timeout else ""
        rules += ' rrs="true"' if routes else ""
        rules += ' auth="true"' if what in (401, 407) else ""
        action = ""
        if take is not None:
            field, expression, name = take
            ereg = f'<ereg regexp="{expression}" search_in="hdr" header="{field}:" assign_to="all,{name}"/>'
            action = f'<action>{ereg}<log message="[$all]"/></action>'
        self._steps.append(f'<recv {kind}="{what}"{rules}>{action}</recv>')
        return self

    def answered(self) -> "Scenario":
        """The 200 to the INVITE."""
        return self.receive(200, routes=True)

    def progress(self) -> "Scenario":
        """Whatever provisional responses come."""
        return self.receive(100, optional=True).receive(180, optional=True).receive(183, optional=True)

    def bye(self) -> "Scenario":
        """End the dialog and wait for its 200."""
        self._request("BYE", None)
        return self.receive(200)

    def reinvite(self, body: str) -> "Scenario":
        """A new offer, its answer, and our ACK."""
        self._request("INVITE", body)
        self._invite = self._sequence
        self.receive(100, optional=True).receive(200)
        return self.ack()

    def ask(self, method: str, status: int, body: str | None = None, headers: str = "") -> "Scenario":
        """A request within the dialog, and what it is answered with."""
        self._request(method, body, headers=headers)
        return self.receive(status)

    def info(self, digit: str) -> "Scenario":
        """A key press as SIP INFO."""
        self._request("INFO", f"Signal={digit}\nDuration=160", "application/dtmf-relay")
        return self.receive(200)

    def refer(self, to: str) -> "Scenario":
        """RFC 3515: ask the other side to call somebody."""
        self._request("REFER", None, headers=f"Refer-To: <{to}>\n")
        return self.receive(202)

    def notified(self, times: int = 1) -> "Scenario":
        """NOTIFY requests, each answered."""
        for _ in range(times):
            self.receive("NOTIFY").ok()
        return self

    def refer_outside(self, user: str, to: str, status: int, headers: str = "") -> "Scenario":
        """REFER outside of the call's dialog, from the phone of that user."""
        self._sequence += 1
        self._send(
            f"""REFER sip:{user}@pbx.test SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:{user}@pbx.test>;tag=[pid]r[call_number]
To: <sip:{user}@pbx.test>
Call-ID: refer///[call_id]
CSeq: {self._sequence} REFER
Contact: <sip:{user}@[local_ip]:[local_port];transport=[transport]>
Refer-To: <{to}>
Max-Forwards: 70
{headers}""",
            None,
            'retrans="4000"',
        )
        return self.receive(status)

    def pause(self, milliseconds: int) -> "Scenario":
        self._steps.append(f'<pause milliseconds="{milliseconds}"/>')
        return self

    def until_told(self) -> "Scenario":
        """As long as the test likes: until `Sipp.go_on`."""
        return self.receive("OPTIONS")

    def play(self, file: str) -> "Scenario":
        """Send the packets of a capture file to the address of the received SDP."""
        self._steps.append(f'<nop><action><exec play_pcap_audio="{file}"/></action></nop>')
        return self

    def digits(self, keys: str) -> "Scenario":
        """RFC 4733 key presses, made by SIPp."""
        self._steps.append(f'<nop><action><exec play_dtmf="{keys}"/></action></nop>')
        return self

    # -------------------------------------------------------------------------------------------------------- parts

    def _parties(self, whose: str) -> str:
        if self._calling:
            return f"From: <{_CALLER}>;tag=[pid]c[call_number]\nTo: <{_CALLED}>[{whose}_tag_param]"
        return "From:[$local];tag=[pid]s[call_number]\nTo:[$remote]"

    def _request(self, method: str, body: str | None, kind: str = "application/sdp", headers: str = "") -> None:
        self._sequence += 1
        self._send(
            f"""{method} [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
{self._parties("peer")}
Call-ID: {self._call_id}
CSeq: {self._sequence} {method}
Contact: <sip:[local_ip]:[local_port];transport=[transport]>
Max-Forwards: 70
{headers}""",
            body,
            'retrans="4000"',
            kind,
        )

    def _send(self, head: str, body: str | None, rules: str = "", kind: str = "application/sdp") -> "Scenario":
        head = head.rstrip("\n")
        if body is None:
            text = f"{head}\nContent-Length: 0\n\n"
        else:
            text = f"{head}\nContent-Type: {kind}\nContent-Length: [len]\n\n{body}\n"
        self._steps.append(f"<send {rules}><![CDATA[\n\n{text}\n]]></send>")
        return self
