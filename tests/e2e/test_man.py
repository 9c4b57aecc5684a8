# SPDX-License-Identifier: BSD-2-Clause
"""The manual pages: sound, and about what the program has, no more and no less.

tests/unit/man.c does the same for the keys of rcxlb.yaml(5).
"""
import re
import shutil
import subprocess

import pytest

from harness import settings

MAN = settings.ROOT / "scripts" / "man"
PAGES = ["rcxlb.8", "rcxlb.yaml.5"]
EVERYWHERE = {"--help", "-h"}  # options of every command, described once


def rcxlb(*words):
    done = subprocess.run(
        [*settings.WRAPPER, settings.BINARY, *words], capture_output=True, text=True, check=False,
        timeout=settings.COMMAND_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_of(page):
    return (MAN / page).read_text().splitlines()


def section_of(page, title):
    text = (MAN / page).read_text()
    return re.search(rf"^\.Sh {title}\n(.*?)(?=^\.Sh |\Z)", text, re.MULTILINE | re.DOTALL)[1]


def program():
    """What the program says that it has: for each command its options and verbs."""
    found = {}
    for name, words in re.findall(r"^\t(\w+)\) words=\"(.*?)\" ;;$", rcxlb("completion"), re.MULTILINE):
        options = set(re.findall(r"(?:^|(?<=, )|  )(--?[\w-]+)", rcxlb(name, "--help").split("\n\n")[2]))
        assert {word for word in words.split() if word.startswith("-")} <= options, name
        found[name] = (options - EVERYWHERE, {word for word in words.split() if not word.startswith("-")})
    return found


def described():
    """The same, as rcxlb(8) has it."""
    found, command = {}, None
    for line in lines_of("rcxlb.8"):
        if line.startswith((".Ss", ".Sh")):
            title = re.fullmatch(r"\.Ss rcxlb (\w+)", line)
            command = title and title[1]
            if command:
                found[command] = (set(), set())
        elif command and line.startswith(".It Fl"):
            spelled = re.findall(r"(?:^\.It Fl |(?<= , ))(\S+)", line)
            found[command][0].update(f"-{word}" for word in spelled)
        elif command and line.startswith(".It Cm"):
            found[command][1].add(line.split()[2])
    return found


@pytest.mark.parametrize("page", PAGES)
def test_the_page_is_sound(page):
    """Nothing for mandoc to complain about, but that this machine has not installed the pages referred to."""
    assert shutil.which("mandoc"), "mandoc is not installed; run scripts/deps test"
    done = subprocess.run(
        ["mandoc", "-T", "lint", MAN / page], capture_output=True, text=True, check=False,
        timeout=settings.COMMAND_SECONDS,
    )
    said = [line for line in done.stdout.splitlines() if "referenced manual not found" not in line]
    assert not said, "\n".join(said)


def test_every_command_is_described():
    assert list(described()) == list(program())
    for name in program():
        assert re.search(rf"^  {name} +\S", rcxlb("--help"), re.MULTILINE), name


def test_every_option_is_described():
    have, tell = program(), described()
    wrong = {name: (have[name][0] - tell[name][0], tell[name][0] - have[name][0]) for name in have}
    assert not any(missing or surplus for missing, surplus in wrong.values()), f"(not described, not there): {wrong}"


def test_every_verb_is_described():
    have, tell = program(), described()
    assert {name: verbs for name, (_, verbs) in have.items()} == {name: verbs for name, (_, verbs) in tell.items()}


def test_every_choice_is_described():
    """--xdp auto|native|skb|off: the words that an option takes."""
    text = " ".join(lines_of("rcxlb.8"))
    choices = 0
    for name in program():
        for option, words in re.findall(r"^  (--[\w-]+) (\w+(?:\|\w+)+)  ", rcxlb(name, "--help"), re.MULTILINE):
            item = re.search(rf"\.It Fl -{option[2:]} Cm ([\w |]+?) \.? ?[A-Z]", text)
            assert item, f"{name} {option}"
            assert item[1].split(" | ")[-1].split()[0] == words.split("|")[-1], f"{name} {option}"
            assert [word.strip() for word in item[1].split("|")][:-1] == words.split("|")[:-1], f"{name} {option}"
            choices += 1
    assert choices >= 3


def test_every_limit_is_described():
    """Numbers that --help gives for an option are those of the page."""
    text = (MAN / "rcxlb.8").read_text()
    limits = 0
    for name in program():
        for option, said in re.findall(r"^  (?:-\w, )?(--[\w-]+) \S+ +(.*)$", rcxlb(name, "--help"), re.MULTILINE):
            for least, most in re.findall(r"\b([\d.]+) to ([\d.]+)\b", said):
                item = re.search(
                    rf"^\.It Fl (?:\w , )?-{option[2:]} .*?(?=^\.It |^\.El)", text, re.MULTILINE | re.DOTALL)
                assert f"{least} to {most}" in item[0].replace("\n", " "), f"{name} {option}: {least} to {most}"
                limits += 1
    assert limits >= 3


def test_every_environment_variable_is_described():
    sources = "\n".join(path.read_text() for path in (settings.ROOT / "user").rglob("*.c"))
    used = set(re.findall(r"(?:getenv|from_environment)\(\"(\w+)\"", sources))
    items = re.findall(r"^\.It Ev (.*)$", section_of("rcxlb.8", "ENVIRONMENT"), re.MULTILINE)
    assert used == {name for item in items for name in item.split(" , ")}


def test_every_status_field_is_described(lab):
    lab.load_with(3001)
    text = section_of("rcxlb.8", "COMMANDS")
    told = set(re.findall(r"\w+", text[text.index(".Ss rcxlb status"):text.index(".Ss rcxlb services")]))
    status = lab.rcxlb.status()
    service = status["services"][0]
    fields = {*status, *status["interfaces"][0], *status["agent"], *service, *service["backends"][0]}
    assert not fields - told, fields - told


def test_what_is_installed_is_named(lab):
    """Files of the run-time folder and units."""
    lab.load_with(3001)
    files = section_of("rcxlb.8", "FILES")
    for path in [*lab.rcxlb.runs.iterdir(), *settings.ROOT.glob("scripts/systemd/*.service")]:
        assert path.name in files, path.name


def test_the_example_of_the_configuration_is_one(tmp_path):
    if "check" not in program():
        pytest.skip("this rcxlb has no command to check a configuration")
    path = tmp_path / "example.yaml"
    examples = section_of("rcxlb.yaml.5", "EXAMPLES")
    path.write_text(re.search(r"^\.Bd -literal\n(.*?)^\.Ed", examples, re.MULTILINE | re.DOTALL)[1])
    path.chmod(0o600)
    rcxlb("check", str(path))
