"""The processor time of a login over HTTPS: of keydove alone, from /proc.

    http-login-cost.py PID PORT USER PASSWORD

PID is a keydove that knows the user already, PORT its [http_login] on 127.0.0.1. 5,000 logins on one connection, as
mailcow/passwd-verify.lua asks, and 1,000 with a connection each, as mailcow's own script does.
"""

import json
import os
import socket
import ssl
import sys


def main(pid, port, user, password):
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    body = json.dumps({"username": user, "password": password, "real_rip": "192.0.2.1", "service": "imap"}).encode()
    head = f"POST / HTTP/1.1\r\nHost: keydove\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"

    def seconds():
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect():
        return tls.wrap_socket(socket.create_connection(("127.0.0.1", int(port))), server_hostname="keydove")

    def ask(connection):
        connection.sendall(head.encode() + body)
        answer = b""
        while b"}" not in answer:
            answer += connection.recv(4096)
        if b'{"success":true}' not in answer:
            sys.exit(answer.decode())

    connection = connect()
    ask(connection)
    for what, count, stays_open in [("one connection", 5000, True), ("a connection each", 1000, False)]:
        before = seconds()
        for _ in range(count):
            if not stays_open:
                connection.close()
                connection = connect()
            ask(connection)
        print(f"{what}: {(seconds() - before) / count * 1e6:.0f} us a login")


if __name__ == "__main__":
    main(*sys.argv[1:])
