"""The timers of RFC 3261 (table 4 in appendix A) and RFC 6026, in seconds."""

from dataclasses import dataclass

from softswitch.kernel.clock import Duration


@dataclass(frozen=True, slots=True)
class Timers:
    """`t1`: round-trip estimate; `t2`: largest retransmission interval of non-INVITE requests and INVITE responses;
    `t4`: how long a message stays in the network; `d`: how long a UAC soaks up INVITE responses over UDP; `trying`:
    how long an INVITE may stay without any response before 100 goes out (RFC 3261 §17.2.1)."""

    t1: Duration = 0.5
    t2: Duration = 4.0
    t4: Duration = 5.0
    d: Duration = 32.0
    trying: Duration = 0.2

    @property
    def give_up(self) -> Duration:
        """64*T1: Timers B, F, H, J, L and M, and the wait for ACK of a 2xx (§13.3.1.4) and after CANCEL (§9.1)."""
        return 64 * self.t1
