"""Runs a command on a terminal, and types what it asks for, as an administrator does.

    typist.py ANSWERS COMMAND...     ANSWERS: a file of lines `question<TAB>answer`; the first question that is part of
                                     what was shown last, and at its end, is answered. `\\n` and `\\x04` in an answer are
                                     Enter and Ctrl-D. A line without a question is typed at the beginning.

Prints what the terminal showed, and ends with the command's exit code; with 124 if the command says nothing for minutes.
"""

import os
import select
import sys
import time

SILENCE = 600  # seconds
# A program that asks for a password throws away what was typed before it switched the echo off, so nothing is typed before
# somebody reads the terminal. How long to wait for a program that does not do so by read(2), in seconds.
UNREAD = 20
READING = ("wait_woken", "n_tty_read")  # what Linux calls the place in it where such a program waits


def answers(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").partition("\t") for line in file if "\t" in line]
    unescape = lambda text: text.replace("\\n", "\n").replace("\\x04", "\x04")
    return [(question, unescape(answer)) for question, _, answer in lines]


def terminal_of(process):
    with open(f"/proc/{process}/stat", encoding="ascii", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[4]


def is_read(process):
    """Whether a program waits for what is typed on the terminal of this one."""
    try:
        terminal = terminal_of(process)
    except OSError:
        return False
    for other in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{other}/wchan", encoding="ascii") as file:
                if file.read() in READING and terminal_of(other) == terminal:
                    return True
        except OSError:  # it has ended
            pass
    return False


def type_in(process, terminal, question, answer):
    end = time.monotonic() + UNREAD
    while "assword" in question and not is_read(process) and time.monotonic() < end:
        if os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return
        time.sleep(0.02)
    os.write(terminal, answer.encode() if answer.endswith("\x04") else answer.encode() + b"\n")


def main(path, command):
    known = answers(path)
    process, terminal = os.forkpty()
    if process == 0:
        os.execvp(command[0], command)
    for question, answer in known:
        if not question:
            type_in(process, terminal, question, answer)
    shown = ""  # since the last answer
    while True:
        if not select.select([terminal], [], [], SILENCE)[0]:
            print(f"\ntypist: nothing happens for {SILENCE} s after: {shown[-200:]}")
            os.kill(process, 9)
            return 124
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:  # what Linux says when nobody has the other end open any more
            break
        if not data:
            break
        text = data.decode(errors="replace").replace("\r\n", "\n")
        sys.stdout.write(text)
        sys.stdout.flush()
        shown += text
        for question, answer in known:
            if question and shown.rstrip().endswith(question):
                type_in(process, terminal, question, answer)
                shown = ""
                break
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
