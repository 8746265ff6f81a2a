"""The blocks of code of a page, which are what an administrator types or puts into a file.

    page.py PAGE HEADING [N...]   prints all blocks below the heading, or these, counted from 1
    page.py --unused FILE PAGE    lists the blocks that are not noted in the file, one a line: `HEADING N: first line`

A block is fenced, or indented by four columns, or by more in a list; a line without an indent ends it. What is printed is
noted in the file that the variable SEEN names.
"""

import os
import re
import sys


def blocks(path):
    """Pairs of a heading and its blocks, in their order."""
    found, block, fence, in_list = [("", [])], None, None, 0
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for at, line in enumerate(lines):
        if fence is not None:
            if line.strip() == fence:
                fence = None
            else:
                found[-1][1][-1].append(line)
            continue
        if line.strip().startswith("```"):
            fence = "```"
            found[-1][1].append([])
            continue
        if line.startswith("#"):
            found.append((line.lstrip("#").strip(), []))
            in_list, block = 0, None
            continue
        indent = len(line) - len(line.lstrip(" "))
        if not line.strip():
            block = None
        elif block is not None and indent >= block:
            found[-1][1][-1].append(line[block:])
        elif indent >= in_list + 4 and not (at and lines[at - 1].strip()):
            block = in_list + 4
            found[-1][1].append([line[block:]])
        else:
            block = None
            item = re.match(r"(\d+\. |\* )", line)
            in_list = len(item.group(0)) if item else (in_list if indent else 0)
    return [(heading, ["\n".join(block) for block in blocks]) for heading, blocks in found]


def main(arguments):
    if arguments[0] == "--unused":
        with open(arguments[1], encoding="utf-8") as file:
            seen = set(file.read().splitlines())
        for heading, found in blocks(arguments[2]):
            for number, block in enumerate(found, 1):
                if f"{arguments[2]}\t{heading}\t{number}" not in seen:
                    print(f"{heading} {number}: {block.splitlines()[0]}")
        return 0
    path, wanted, *numbers = arguments
    for heading, found in blocks(path):
        if heading != wanted:
            continue
        numbers = [int(number) for number in numbers] or range(1, len(found) + 1)
        if not found or max(numbers) > len(found):
            break
        with open(os.environ["SEEN"], "a", encoding="utf-8") as seen:
            for number in numbers:
                print(found[number - 1])
                seen.write(f"{path}\t{heading}\t{number}\n")
        return 0
    print(f"{path}: no such block below \"{wanted}\": {numbers}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
