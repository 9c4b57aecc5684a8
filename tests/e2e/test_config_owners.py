# SPDX-License-Identifier: BSD-2-Clause
"""Who else can read or write a configuration file: what is warned of."""
import os

import pytest

from test_config import FILE, write

KEY = 'hash_key: "000102030405060708090a0b0c0d0e0f"\n'


def warnings(lab, text, mode, group=0):
    """Of check, which has nothing else to say of the file."""
    path = write(lab, text)
    os.chown(path, 0, group)
    path.chmod(mode)
    result = lab.rcxlb.attempt("check", path)
    assert result.code == 0, str(result)
    return [line.replace(str(path), "FILE") for line in result.err.splitlines()]


@pytest.mark.parametrize("mode, warns", [(0o644, False), (0o666, True), (0o602, True)], ids=oct)
def test_a_file_that_others_may_write_is_warned_of(lab, mode, warns):
    wanted = f"rcxlb: warning: FILE can be written by others (mode {mode:04o}); see: chmod go-w"
    assert warnings(lab, FILE, mode) == [wanted] * warns


@pytest.mark.parametrize("mode, group, warns", [
    (0o600, 0, False), (0o640, 0, False), (0o640, 33, True), (0o604, 0, True), (0o644, 0, True)])
def test_a_hash_key_that_others_may_read_is_warned_of(lab, mode, group, warns):
    """Without one the file is no secret."""
    wanted = f"rcxlb: warning: FILE holds the hash key, a secret, and can be read by others (mode {mode:04o}); see: chmod go-r"
    assert warnings(lab, FILE + KEY, mode, group) == [wanted] * warns
    assert warnings(lab, FILE, mode, group) == []
