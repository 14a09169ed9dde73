"""pjsua2 as a phone, in a process of its own (pjproject is GPL: nothing else imports it).

    python pjsua_phone.py '{"registrar": …, "user": …, "password": …, "transport": "udp", "codecs": […], "tone": …,
                            "directory": …, "port": …, "rtp": …, "srtp": "off|optional|required", "answer": true}'

Sends the tone file into every call and keeps what it hears, a file a call. Orders come as JSON lines (`do`), each for
the latest call unless `call` names another; events go out the same way with `at`, the wall clock.
"""

import json
import os
import select
import sys
import time

import pjsua2 as pj

SRTP = {"off": pj.PJMEDIA_SRTP_DISABLED, "optional": pj.PJMEDIA_SRTP_OPTIONAL, "required": pj.PJMEDIA_SRTP_MANDATORY}
TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}


def say(event, **fields):
    print(json.dumps({"event": event, "at": time.time(), **fields}), flush=True)


class Call(pj.Call):
    """One call. Its sound is joined when its media is there."""

    def __init__(self, phone, *arguments):
        super().__init__(phone.account, *arguments)
        self.phone = phone
        self.recorder = None

    def onCallState(self, _):
        info = self.getInfo()
        state = {pj.PJSIP_INV_STATE_EARLY: "ringing", pj.PJSIP_INV_STATE_CONFIRMED: "established"}.get(info.state)
        if state:
            say(state, call=self.getId())
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.recorder = None
            self.phone.calls.pop(self.getId(), None)
            say("closed", call=self.getId(), status=info.lastStatusCode, reason=info.lastReason)

    def onCallMediaState(self, _):
        info = self.getInfo()
        for index, media in enumerate(info.media):
            if media.type == pj.PJMEDIA_TYPE_AUDIO and media.status == pj.PJSUA_CALL_MEDIA_ACTIVE:
                audio = self.getAudioMedia(index)
                self.phone.player.startTransmit(audio)
                if self.recorder is None:
                    self.recorder = pj.AudioMediaRecorder()
                    self.recorder.createRecorder(os.path.join(self.phone.directory, f"heard-{time.time_ns()}.wav"))
                audio.startTransmit(self.recorder)
                say("media", call=self.getId(), codec=self.getStreamInfo(index).codecName)

    def onCallTransferStatus(self, told):
        say("transfer", call=self.getId(), status=told.statusCode, final=bool(told.finalNotify))

    def onDtmfDigit(self, told):
        say("digit", call=self.getId(), digit=told.digit)


class Account(pj.Account):
    """The line. Calls that come are answered at once where that is wished."""

    def __init__(self, phone):
        super().__init__()
        self.phone = phone

    def onRegState(self, told):
        self.phone.registered = told.code == 200 and told.expiration > 0
        say("registered" if self.phone.registered else "unregistered", status=told.code)

    def onIncomingCall(self, told):
        call = Call(self.phone, told.callId)
        self.phone.keep(call)
        say("incoming", call=told.callId)
        if self.phone.options["answer"]:
            self.phone.do({"do": "answer"})

    def onInstantMessage(self, told):
        say("message", text=told.msgBody, sender=told.fromUri)

    def onMwiInfo(self, told):
        say("waiting", text=told.rdata.wholeMsg)


class Phone:
    def __init__(self, options):
        self.options = options
        self.directory = options["directory"]
        self.calls = {}
        self.latest = None
        self.registered = False
        self.endpoint = endpoint = pj.Endpoint()
        endpoint.libCreate()
        settings = pj.EpConfig()
        settings.logConfig.level, settings.logConfig.consoleLevel = 5, 0
        settings.logConfig.filename = os.path.join(self.directory, "pjsua.log")
        settings.uaConfig.threadCnt, settings.uaConfig.mainThreadOnly = 0, True
        settings.medConfig.clockRate = settings.medConfig.sndClockRate = 8000
        settings.medConfig.noVad, settings.medConfig.ecTailLen = True, 0
        endpoint.libInit(settings)
        transport = pj.TransportConfig()
        transport.port, transport.boundAddress = options["port"], "127.0.0.1"
        transport.tlsConfig.verifyServer = False
        endpoint.transportCreate(TRANSPORTS[options["transport"]], transport)
        endpoint.audDevManager().setNullDev()
        endpoint.libStart()
        for codec in endpoint.codecEnum2():
            name = codec.codecId.partition("/")[0]
            wanted = options["codecs"]
            endpoint.codecSetPriority(codec.codecId, 200 - wanted.index(name) if name in wanted else 0)
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(options["tone"])
        self.account = Account(self)
        self.account.create(self.line())

    def line(self):
        options = self.options
        line = pj.AccountConfig()
        line.idUri = f"sip:{options['user']}@pbx.test"
        line.regConfig.registrarUri = "sip:pbx.test"
        scheme = f"sip:{options['registrar']};transport={options['transport']};lr"
        line.sipConfig.proxies.append(scheme)
        line.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", options["user"], 0, options["password"]))
        line.mediaConfig.srtpUse = SRTP[options["srtp"]]
        line.mediaConfig.srtpSecureSignaling = 0
        line.mediaConfig.transportConfig.port = options["rtp"]
        line.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        line.natConfig.sdpNatRewriteUse = 0
        line.natConfig.contactRewriteUse = 0
        line.mwiConfig.enabled = options["mwi"]
        line.callConfig.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL
        line.callConfig.prackUse = pj.PJSUA_100REL_OPTIONAL
        return line

    def keep(self, call):
        self.calls[call.getId()] = self.latest = call

    def do(self, order):
        call = self.calls.get(order["call"]) if "call" in order else self.latest
        prm = pj.CallOpParam(True)
        match order["do"]:
            case "call":
                call = Call(self)
                call.makeCall(order["uri"], prm)
                self.keep(call)
                say("calling", call=call.getId())
            case "answer":
                prm.statusCode = 200
                call.answer(prm)
            case "refuse":
                prm.statusCode = order["status"]
                call.hangup(prm)
            case "hold":
                call.setHold(prm)
            case "resume":
                prm.opt.flag = pj.PJSUA_CALL_UNHOLD
                call.reinvite(prm)
            case "press":
                call.dialDtmf(order["digits"])
            case "refer":
                call.xfer(order["uri"], prm)
            case "complete":
                first = min(self.calls)
                self.calls[first].xferReplaces(self.calls[max(self.calls)], prm)
            case "hang up":
                call.hangup(prm)
            case "message":
                buddy, settings = pj.Buddy(), pj.BuddyConfig()
                settings.uri = order["uri"]
                buddy.create(self.account, settings)
                text = pj.SendInstantMessageParam()
                text.content = order["text"]
                buddy.sendInstantMessage(text)
                self.buddy = buddy

    def run(self):
        data = b""
        while True:
            self.endpoint.libHandleEvents(10)
            if not select.select([0], [], [], 0)[0]:
                continue
            chunk = os.read(0, 65536)
            if not chunk:
                break
            data += chunk
            while b"\n" in data:
                line, _, data = data.partition(b"\n")
                order = json.loads(line)
                try:
                    self.do(order)
                except pj.Error as error:
                    say("error", order=order["do"], text=error.info())
        self.calls.clear()
        self.latest = None
        self.endpoint.hangupAllCalls()
        if self.registered:
            self.account.setRegistration(False)
        until = time.monotonic() + 3.0  # the answer to the REGISTER that takes the contact back
        while self.registered and time.monotonic() < until:
            self.endpoint.libHandleEvents(10)
        os._exit(0)  # the destructors of the binding run in any order


if __name__ == "__main__":
    Phone(json.loads(sys.argv[1])).run()
