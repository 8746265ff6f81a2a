"""Runs a command on a terminal, and types what it asks for, as an administrator does.

    typist.py ANSWERS COMMAND...     ANSWERS: a file of lines `question<TAB>answer`; the first question that is part of
                                     what was shown last, and at its end, is answered. `\\n` and `\\x04` in an answer are
                                     Enter and Ctrl-D. A line without a question is typed at the beginning.

Prints what the terminal showed, and ends with the command's exit code; with 124 if the command says nothing for minutes.
"""

import os
import select
import sys
import termios
import time

SILENCE = 600  # seconds
ECHO_OFF = 60  # seconds; a program that asks for a password throws away what was typed before it switched the echo off


def answers(path):
    with open(path, encoding="utf-8") as file:
        lines = [line.rstrip("\n").partition("\t") for line in file if "\t" in line]
    unescape = lambda text: text.replace("\\n", "\n").replace("\\x04", "\x04")
    return [(question, unescape(answer)) for question, _, answer in lines]


def type_in(process, terminal, question, answer):
    end = time.monotonic() + ECHO_OFF
    while "assword" in question and termios.tcgetattr(terminal)[3] & termios.ECHO and time.monotonic() < end:
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
