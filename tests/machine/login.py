"""Logins and mails as mail clients and other servers make them, inside the machine.

    login.py SERVICE USER PASSWORD   one login; prints OK or the server's answer
    login.py load FILE USER PASSWORD
        Logins of every service and mails for the user, one after the other, until FILE is there, and one of each after that;
        prints how many, and what was not accepted. load.begun is there once one of each was accepted. A client whose connection was closed, or that was told to try again later, tries again for
        some seconds as mail clients do; that counts as "tried again". A login that was refused counts as lost at once.
"""

import base64
import os
import socket
import ssl
import sys
import threading
import time

TLS = ssl._create_unverified_context()  # the machine's own certificate, which nobody has signed
PATIENCE = 300  # seconds
# Between two logins, so that the machine has time for what it is tested for.
PAUSE = {"imap": 0.1, "pop3": 0.1, "sieve": 0.1, "smtp": 0.1, "mail": 0.3}  # seconds
BROKEN = "broken connection: "
TEMPORARY = ("a NO [UNAVAILABLE]", "-ERR [SYS/TEMP]", 'NO (TRYLATER)', "454", "4", "* BYE")


class Connection:
    def __init__(self, port, tls):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
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
        if text is not None:
            self.send(text)
        while True:
            line = self.line()
            if line[3:4] != "-":
                return line


def plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()


def imap(user, password, _number):
    connection = Connection(993, True)
    connection.line()
    connection.send(f'a LOGIN "{user}" "{password}"')
    answer = connection.until(("a ", "* BYE"))
    if not answer.startswith("a OK"):
        return answer
    connection.send("b SELECT INBOX")
    selected = connection.until(("b ", "* BYE"))
    return "OK" if selected.startswith("b OK") else selected


def pop3(user, password, _number):
    connection = Connection(995, True)
    connection.line()
    connection.send(f"USER {user}")
    connection.line()
    connection.send(f"PASS {password}")
    answer = connection.line()
    return "OK" if answer.startswith("+OK") else answer


def sieve(user, password, _number):
    connection = Connection(4190, False)
    connection.until(("OK",))
    connection.send("STARTTLS")
    connection.until(("OK",))
    connection.secure()
    connection.until(("OK",))
    connection.send(f'AUTHENTICATE "PLAIN" "{plain(user, password)}"')
    answer = connection.until(("OK", "NO", "BYE"))
    return "OK" if answer.startswith("OK") else answer


def smtp(user, password, _number):
    connection = Connection(587, False)
    connection.line()
    connection.smtp("EHLO client.example")
    connection.smtp("STARTTLS")
    connection.secure()
    connection.smtp("EHLO client.example")
    answer = connection.smtp(f"AUTH PLAIN {plain(user, password)}")
    return "OK" if answer.startswith("235") else answer


def mail(user, _password, number):
    """Another server hands a mail over, which no mail with another number is like; Postfix delivers it by LMTP."""
    connection = Connection(25, False)
    connection.line()
    for text in ("EHLO other.example", "MAIL FROM:<sender@other.example>", f"RCPT TO:<{user}>", "DATA"):
        answer = connection.smtp(text)
        if answer[0] not in "23":
            return answer
    answer = connection.smtp(f"Subject: load {number}\r\n\r\nText\r\n.")
    return "OK" if answer.startswith("250") else answer


SERVICES = {"imap": imap, "pop3": pop3, "sieve": sieve, "smtp": smtp, "mail": mail}


def attempt(service, user, password, number=0):
    try:
        return SERVICES[service](user, password, number)
    except (OSError, EOFError) as error:
        return f"{BROKEN}{type(error).__name__}: {error}"


def temporary(answer):
    return answer.startswith((BROKEN, *TEMPORARY))


def load(stop, user, password):
    done, lost, again = dict.fromkeys(SERVICES, 0), [], []
    lock = threading.Lock()

    def work(service):
        ends = False
        while not ends:
            ends = os.path.exists(stop)
            begun, number = time.monotonic(), time.time_ns()
            while (answer := attempt(service, user, password, number)) != "OK":
                with lock:
                    again.append(f"{service}: {answer}")
                if not temporary(answer) or time.monotonic() - begun > PATIENCE:
                    with lock:
                        lost.append(f"{service}: {answer}")
                    break
                time.sleep(0.2)
            with lock:
                done[service] += 1
                if min(done.values()) == 1 and not os.path.exists("load.begun"):
                    with open("load.begun", "w", encoding="ascii") as file:
                        file.write("begun")
            time.sleep(PAUSE[service])

    workers = [threading.Thread(target=work, args=(service,)) for service in SERVICES]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(*(f"{service} {count}" for service, count in done.items()), sep=", ")
    print(f"{len(lost)} lost, {len(again)} tried again")
    for fault in sorted(set(again + lost)):
        print(f"  {(again + lost).count(fault)} x {fault}")


if __name__ == "__main__":
    if sys.argv[1] == "load":
        load(*sys.argv[2:5])
    else:
        print(attempt(*sys.argv[1:4]))
