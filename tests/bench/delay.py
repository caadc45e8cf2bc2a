"""A line that takes its time: passes bytes on after so many milliseconds, each way.

    tests/bench/delay.py PORT MILLISECONDS

A connection to it comes about at once; what it carries, TLS's handshake included, is delayed.
"""

import queue
import socket
import sys
import threading
import time


def carry(source, target, delay):
    """Bytes leave in the order in which they came, each `delay` after it came."""
    pieces = queue.Queue(maxsize=1024)

    def deliver():
        while True:
            due, piece = pieces.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if not piece:
                    return target.shutdown(socket.SHUT_WR)
                target.sendall(piece)
            except OSError:
                return

    threading.Thread(target=deliver, daemon=True).start()
    while True:
        try:
            piece = source.recv(65536)
        except OSError:
            piece = b""
        pieces.put((time.monotonic() + delay, piece))
        if not piece:
            return


def main():
    port, delay = int(sys.argv[1]), int(sys.argv[2]) / 1000
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=carry, args=(near, far, delay), daemon=True).start()
        threading.Thread(target=carry, args=(far, near, delay), daemon=True).start()


if __name__ == "__main__":
    main()
