"""A program that sits on the addresses of servers: it takes what is free, asks for passwords and writes down what it gets.

It runs under an account without rights, on the standard library alone. Arguments: HOST:PORT of each address. It prints a
JSON document a line: {"bound": ADDRESS}, then {"got": HEX, "asked": HOW, "address": ADDRESS} for each connection.
"""

from __future__ import annotations

import itertools
import json
import os
import socket
import struct
import sys
import threading
import time

LIFETIME_S = 120
SALT = b"salt"
"""Of the MD5 that is asked for; whoever looks for passwords in what came must know it."""
SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
_print_lock = threading.Lock()


def tell(**what: object) -> None:
    with _print_lock:
        sys.stdout.write(json.dumps(what) + "\n")
        sys.stdout.flush()


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!I", len(body) + 4) + body


def authentication(code: int, body: bytes = b"") -> bytes:
    return message(b"R", struct.pack("!I", code) + body)


def scram_first(client_first: bytes) -> bytes:
    """The server's first SCRAM message: the client's nonce gone on with, and a salt and a single iteration."""
    nonce = client_first.rpartition(b"r=")[2].split(b"\0")[0]
    return b"r=" + nonce + b"squatter,s=c2FsdHNhbHRzYWx0c2E=,i=1"


ACCEPTED = authentication(0) + message(b"S", b"server_version\x0018.6\0") + message(b"Z", b"I")
"""As from a server that asks nobody for a password, and as after a right one."""


class Visit:
    """One connection."""

    def __init__(self, connection: socket.socket, address: str, asks: str) -> None:
        self.connection, self.address, self.asks = connection, address, asks
        self.got = bytearray()
        connection.settimeout(5)

    def receive(self) -> bytes:
        content = self.connection.recv(65536)
        if not content:
            raise ConnectionError
        self.got += content
        return content

    def begin(self) -> None:
        """Refuse encryption until the client introduces itself."""
        while len(content := self.receive()) >= 8:
            if struct.unpack("!I", content[4:8])[0] not in (SSL_REQUEST, GSS_REQUEST):
                return
            self.connection.sendall(b"N")

    def ask(self) -> None:
        send = self.connection.sendall
        if self.asks == "clear text":
            send(authentication(3))
            self.receive()
        elif self.asks == "md5":
            send(authentication(5, SALT))
            self.receive()
        elif self.asks == "scram":
            send(authentication(10, b"SCRAM-SHA-256\0\0"))
            send(authentication(11, scram_first(self.receive())))
            self.receive()
            send(authentication(12, b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="))
        send(ACCEPTED)
        # Who believes it goes on: a statement, a password to be set.
        while self.receive()[:1] != b"X":
            send(message(b"E", b"SERROR\0C57014\0Mno\0\0") + message(b"Z", b"I"))

    def serve(self) -> None:
        try:
            self.begin()
            self.ask()
        except OSError:
            pass
        finally:
            self.connection.close()
            tell(got=self.got.hex(), asked=self.asks, address=self.address)


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address as soon as it is free."""
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(64)
        except OSError:
            listener.close()
            time.sleep(0.0005)
        else:
            return listener


def sit(address: str) -> None:
    host, _, port = address.rpartition(":")
    listener = bind(host, int(port))
    tell(bound=address, pid=os.getpid())
    for asks in itertools.cycle(["clear text", "md5", "scram", "nothing"]):
        connection, _ = listener.accept()
        threading.Thread(target=Visit(connection, address, asks).serve, daemon=True).start()


if __name__ == "__main__":
    for each in sys.argv[1:]:
        threading.Thread(target=sit, args=(each,), daemon=True).start()
    time.sleep(LIFETIME_S)
