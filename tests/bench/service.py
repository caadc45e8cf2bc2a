"""A stand-in for the service that reports on its standard output when each request's first byte came.

    tests/bench/service.py [CERTIFICATE KEY]

Lines are `connected NS`, `METHOD PATH FIRST_BYTE_NS ANSWERED_NS CONNECTION` in nanoseconds of CLOCK_MONOTONIC. Every
payment is paid at once.
"""

import json
import os
import re
import socket
import ssl
import sys
import threading
import time

SESSION = 31149


def report(line):
    # One call for one line: threads share the pipe.
    os.write(1, f"{line}\n".encode())


class Service:
    def __init__(self):
        self.payments, self.lock, self.numbers = {}, threading.Lock(), 0

    def answer(self, method, path, body):
        if path.endswith("/demandPayment"):
            return {"sessionId": SESSION, "dynamicQR": "o-plati://o-cashpay/dyn/Ab3_Cd5-Ef7hIj9lMn1pQr3tUv5x"}
        if "/consumerStatus" in path:
            return {"isConsumerReady": True, "loyaltyCards": []}
        if method == "POST" and path.endswith("/payments"):
            with self.lock:
                number = 1000 + len(self.payments)
                paid = {"paymentId": number, "paymentType": 1, "sum": body["sum"], "status": 1,
                        "createdDate": "2026-12-01T10:00:00+03:00", "orderNumber": body["orderNumber"],
                        "shift": body.get("shift", "")}
                self.payments[number] = paid
            return paid
        if "/paymentReports" in path:
            return list(self.payments.values())
        number = re.search(r"/payments/(\d+)$", path)
        return self.payments.get(int(number[1])) if number else {}

    def serve(self, connection, tls):
        with self.lock:
            self.numbers += 1
            number = self.numbers
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if tls:
                connection = tls.wrap_socket(connection, server_side=True)
            report(f"connected {time.monotonic_ns()}")
            text = b""
            while True:
                first = None
                while b"\r\n\r\n" not in text:
                    more = connection.recv(65536)
                    first = first or time.monotonic_ns()
                    if not more:
                        return
                    text += more
                head, _, rest = text.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.I)
                length = int(length[1]) if length else 0
                while len(rest) < length:
                    rest += connection.recv(65536)
                body, text = rest[:length], rest[length:]
                method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
                answer = json.dumps(self.answer(method, path, json.loads(body or b"{}"))).encode()
                # Before it is sent: another thread may report what follows from it.
                report(f"{method} {path} {first} {time.monotonic_ns()} {number}")
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(answer) + answer)
        except (OSError, ssl.SSLError):
            pass
        finally:
            connection.close()


def main():
    tls = None
    if len(sys.argv) > 1:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(sys.argv[1], sys.argv[2])
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    print(listener.getsockname()[1], flush=True)
    service = Service()
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=service.serve, args=(connection, tls), daemon=True).start()


if __name__ == "__main__":
    main()
