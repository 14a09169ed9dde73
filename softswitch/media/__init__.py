"""The media process: RTP sockets, jitter buffers, mixer, players and recorders on a 20 ms clock.

`engine` is a pure core; `worker`, `epoll`, `loader` and `writer` are its shell. Read `engine` first.
"""
