"""Logins as mail clients make them, inside the machine.

    login.py SERVICE USER PASSWORD       one login; prints the server's answer
    login.py load SECONDS USER PASSWORD  logins of every service until the time is over; prints what was not accepted
"""

import base64
import socket
import ssl
import sys
import threading
import time

TLS = ssl._create_unverified_context()  # the machine's own certificate, which nobody has signed


class Connection:
    def __init__(self, port, tls):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.settimeout(60)
        if tls:
            self.secure()
        else:
            self.file = self.socket.makefile("rwb")

    def secure(self):
        self.socket = TLS.wrap_socket(self.socket)
        self.file = self.socket.makefile("rwb")

    def line(self):
        line = self.file.readline()
        if not line:
            raise EOFError("the server closed the connection")
        return line.decode(errors="replace").strip()

    def send(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()

    def until(self, beginnings):
        while True:
            line = self.line()
            if line.startswith(beginnings):
                return line

    def smtp(self, text):
        self.send(text)
        while True:
            line = self.line()
            if line[3:4] != "-":
                return line


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def imap(user, password):
    connection = Connection(993, True)
    connection.line()
    connection.send(f'a LOGIN "{user}" "{password}"')
    answer = connection.until(("a ",))
    if answer.startswith("a OK"):
        connection.send("b SELECT INBOX")
        if not (selected := connection.until(("b ",))).startswith("b OK"):
            return selected
        return "OK"
    return answer


def pop3(user, password):
    connection = Connection(995, True)
    connection.line()
    connection.send(f"USER {user}")
    connection.line()
    connection.send(f"PASS {password}")
    answer = connection.line()
    return "OK" if answer.startswith("+OK") else answer


def sieve(user, password):
    connection = Connection(4190, False)
    connection.until(("OK",))
    connection.send("STARTTLS")
    connection.until(("OK",))
    connection.secure()
    connection.until(("OK",))
    connection.send(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"')
    answer = connection.until(("OK", "NO", "BYE"))
    return "OK" if answer.startswith("OK") else answer


def smtp(user, password):
    connection = Connection(587, False)
    connection.line()
    connection.smtp("EHLO client.example")
    connection.smtp("STARTTLS")
    connection.secure()
    connection.smtp("EHLO client.example")
    answer = connection.smtp(f"AUTH PLAIN {plain(user, password)}")
    return "OK" if answer.startswith("235") else answer


SERVICES = {"imap": imap, "pop3": pop3, "sieve": sieve, "smtp": smtp}


def attempt(service, user, password):
    try:
        return SERVICES[service](user, password)
    except (OSError, EOFError) as error:
        return f"{type(error).__name__}: {error}"


def load(seconds, user, password):
    end, faults, logins = time.monotonic() + seconds, [], [0]
    lock = threading.Lock()

    def work(service):
        while time.monotonic() < end:
            answer = attempt(service, user, password)
            with lock:
                logins[0] += 1
                if answer != "OK":
                    faults.append(f"{service}: {answer}")

    workers = [threading.Thread(target=work, args=(service,)) for service in SERVICES]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(f"{logins[0]} logins, {len(faults)} not accepted")
    for fault in faults[:5]:
        print(fault)


if __name__ == "__main__":
    if sys.argv[1] == "load":
        load(float(sys.argv[2]), *sys.argv[3:5])
    else:
        print(attempt(*sys.argv[1:4]))
