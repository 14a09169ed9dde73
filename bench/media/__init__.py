"""What the media process costs and how well it does it, under calls of our own over loopback.

__main__    the runs and their table                 long_run    ten minutes of recorded calls
scenes      what a mode is: codecs, edges, recorders  flood       junk at one port, calls beside it
generator   the process that speaks and listens       yardstick   a plain relay on uvloop, the same load
datagrams   many packets a system call                subjects    the processes that are measured
marks       numbers in the sound                      tally       loss, order, delay, jitter, all packets at once
turns       CPU of turns where the machine is busy
"""
