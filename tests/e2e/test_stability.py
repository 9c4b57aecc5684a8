# SPDX-License-Identifier: BSD-2-Clause
"""Under `bounded` a client comes back to its hash's choice, however busy that is, as long as it gets things done."""
import contextlib
import os

import pytest

from harness.lab import node_reason
from harness.settings import SLOW_MACHINE, scaled
from harness.visits import paced

PORTS = (3001, 3002, 3003)
CONNECTIONS, PER_SECOND = scaled(800, 200), 200
TRIES = 3  # others may need the processors at the moment

# Pieces of work of 1 to 3 ms, which take this part of a core's time in the long run.
WORK = """
const part = {part};
function work() {{
	const ms = 1 + 2 * Math.random(), end = performance.now() + ms;
	while (performance.now() < end);
	setTimeout(work, ms * (1 - part) / part * 2 * Math.random());
}}
if (part)
	work();
"""


@contextlib.contextmanager
def hogs(lab, count):
    """Processes that never sleep."""
    running = [lab.start(["sh", "-c", "while :; do :; done"]) for _ in range(count)]
    yield
    for hog in running:
        hog.kill()


def kept(lab):
    """The part of the clients who come now that their hash's choice gets."""

    def counts():
        backends = lab.rcxlb.service()["backends"]
        return [sum(backend[key] for backend in backends) for key in ("steered", "spilled")]

    steered, spilled = counts()
    visits = paced(lab.clients, CONNECTIONS, PER_SECOND)
    assert not visits.failed, visits
    steered, spilled = (now - before for now, before in zip(counts(), (steered, spilled)))
    print(f"{visits}; {1 - spilled / steered:.4f} stay with their hash's choice")
    return 1 - spilled / steered


@pytest.mark.skipif(bool(node_reason()), reason=node_reason())
@pytest.mark.skipif(SLOW_MACHINE, reason="times say nothing on a machine that is emulated or watched")
@pytest.mark.alone
@pytest.mark.parametrize("part", [0, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("hogs_per_core, least", [(0, 0.985), (1, 0.94)], ids=["alone", "with a hog on each core"])
def test_clients_stay_with_an_instance_that_is_busy(lab, part, hogs_per_core, least):
    preloaded = lab.folder / "work.js"
    preloaded.write_text(WORK.format(part=part), encoding="ascii")
    for port in PORTS:
        lab.node_instance(f"i{port}", port, options=["-r", preloaded])
    lab.load_with(*PORTS, rule=("--balance", "bounded"))
    parts = []
    with hogs(lab, hogs_per_core * os.cpu_count()):
        while len(parts) < TRIES and not any(stay >= least for stay in parts):
            parts.append(kept(lab))
    if max(parts) < least and os.getloadavg()[0] > len(PORTS) * part + hogs_per_core * os.cpu_count() + 2:
        pytest.skip(f"the machine is too busy to tell: {max(parts):.4f} stayed while others computed")
    assert max(parts) >= least, parts
