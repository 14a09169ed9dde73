"""pyVoIP as a phone, in a process of its own (pyVoIP is GPL: nothing else imports it).

    python pyvoip_phone.py SERVER PORT USER PASSWORD LOCAL_PORT RTP_LOW TONE_HZ HEARD_FILE

Answers every call, sends a tone, and keeps what it hears (8 bit unsigned, 8 kHz). Orders come as JSON lines:
{"do": "call", "number": "1001"}, {"do": "hang up"}, {"do": "quit"}; events go out the same way with `at`, the wall
clock.
"""

import json
import math
import sys
import threading
import time

from pyVoIP.VoIP import CallState, InvalidStateError, VoIPPhone


def say(event, **fields):
    print(json.dumps({"event": event, "at": time.time(), **fields}), flush=True)


class Phone:
    def __init__(self, arguments):
        server, port, user, password, local, low, tone, heard = arguments
        self.heard = heard
        self.call = None
        self.second = bytes(128 + round(40 * math.sin(2 * math.pi * float(tone) * n / 8000)) for n in range(8000))
        self.phone = VoIPPhone(
            server,
            int(port),
            user,
            password,
            myIP="127.0.0.1",
            sipPort=int(local),
            rtpPortLow=int(low),
            rtpPortHigh=int(low) + 38,
            callCallback=self.ring,
        )

    def ring(self, call):
        say("ringing")
        try:
            call.answer()
        except InvalidStateError:
            return
        threading.Thread(target=self.talk, args=(call,), daemon=True).start()

    def talk(self, call):
        self.call = call
        while call.state == CallState.DIALING:
            time.sleep(0.01)
        if call.state == CallState.ANSWERED:
            say("answered")
        begun = time.monotonic()
        written = 0
        with open(self.heard, "wb") as file:
            while call.state == CallState.ANSWERED:
                while written < time.monotonic() - begun + 0.5:
                    call.write_audio(self.second)
                    written += 1
                file.write(call.read_audio(160, blocking=False))
                time.sleep(max(0.0, begun + file.tell() / 8000 - time.monotonic()))
        say("ended")

    def run(self):
        self.phone.start()
        for line in sys.stdin:
            order = json.loads(line)
            if order["do"] == "call":
                call = self.phone.call(order["number"])
                threading.Thread(target=self.talk, args=(call,), daemon=True).start()
            elif order["do"] == "hang up":
                self.call.hangup()
            elif order["do"] == "status":
                say("status", status=str(self.phone.get_status()))
            else:
                break
        self.phone.stop()
        say("stopped")


if __name__ == "__main__":
    Phone(sys.argv[1:]).run()
