#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""Adds up JUnit files: summary.py NAME=FOLDER... prints a row for each, what failed, what was skipped and why."""
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def reason_in_log(path):
    """cmocka writes no reason into its file; a test prints it."""
    try:
        lines = path.with_suffix(".log").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return next((line.partition("skipped: ")[2] for line in lines if "skipped: " in line), "it does not say why")


def cases(folder):
    for path in sorted(pathlib.Path(folder).rglob("*.xml")):
        try:
            root = ElementTree.parse(path).getroot()
        except ElementTree.ParseError as error:
            yield path.stem, "failed", f"unreadable results: {error}"
            continue
        for case in root.iter("testcase"):
            name = f"{path.stem}: {case.get('name')}"
            wrong = [*case.iter("failure"), *case.iter("error")]
            skipped = case.find("skipped")
            if wrong:
                yield name, "failed", " ".join((wrong[0].get("message") or wrong[0].text or "").split())
            elif skipped is not None:
                yield name, "skipped", skipped.get("message") or reason_in_log(path)
            else:
                yield name, "passed", ""


def failed_once(folder):
    """The tests that were run again, and how they failed at first."""
    for path in sorted(pathlib.Path(folder).rglob("*.failed-once")):
        yield from path.read_text(encoding="utf-8").splitlines()


def main(arguments):
    total = {"passed": 0, "failed": 0, "skipped": 0}
    rows = []
    for argument in arguments:
        title, folder = argument.split("=", 1)
        row = dict.fromkeys(total, 0)
        for name, outcome, reason in cases(folder):
            row[outcome] += 1
            if outcome != "passed":
                print(f"{title}: {outcome}: {name}: {reason[:500]}")
        for line in failed_once(folder):
            print(f"{title}: failed at first: {line}")
        if not sum(row.values()):
            print(f"{title}: failed: no test has left results in {folder}")
            row["failed"] = 1
        rows.append((title, row))
        for outcome, count in row.items():
            total[outcome] += count
    width = max(len(title) for title, _ in rows)
    print(f"\n{'on':{width}}  passed  failed  skipped")
    for title, row in rows:
        print(f"{title:{width}}  {row['passed']:6}  {row['failed']:6}  {row['skipped']:7}")
    skipped = f", {total['skipped']} skipped" if total["skipped"] else ""
    print(f"\n{total['passed']} passed, {total['failed']} failed{skipped}")
    return 1 if total["failed"] else 0


sys.exit(main(sys.argv[1:]))
