"""Compares the rights that `keydove grants` names with those that MariaDB shows.

    rights.py NAMED GIVEN     two files of GRANT statements; prints what only one of them gives, and ends with 1 then
"""

import re
import sys


def rights(path):
    """Each right by itself: a table, a verb, and a column, if it is for one."""
    found = set()
    with open(path, encoding="utf-8") as file:
        for line in file:
            match = re.match(r"GRANT (.*) ON (\S+) TO ", line)
            if not match or match.group(1) == "USAGE":
                continue
            table = match.group(2).replace("`", "")
            for verb, columns in re.findall(r"([A-Z ]+?) *(?:\(([^)]*)\))?(?:, |$)", match.group(1)):
                for column in (columns or "").replace("`", "").split(", "):
                    found.add((table, verb, column))
    return found


def main(named, given):
    named, given = rights(named), rights(given)
    for right in sorted(named - given):
        print("missing:", *right)
    for right in sorted(given - named):
        print("too much:", *right)
    return 0 if named and named == given else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
