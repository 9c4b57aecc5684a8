# SPDX-License-Identifier: BSD-2-Clause
"""Figures out of rounds: medians, spreads, ratios of paired rounds; as a table, as sentences and as JSON."""
import json
import math
import os
import statistics

FIGURES = ("rate", "p50_us", "p99_us", "cpu_us", "balancer_us")


def spread(values):
    """Median and quartiles: where the rounds lie."""
    if len(values) == 1:
        return {"median": values[0], "low": values[0], "high": values[0]}
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}


def confidence(values):
    """Median and its 95 % confidence interval, by order statistics: nothing is supposed of how the noise is shaped."""
    values = sorted(values)
    skip = max(0, math.floor(len(values) / 2 - 0.98 * math.sqrt(len(values))))
    return {"median": statistics.median(values), "low": values[skip], "high": values[-1 - skip]}


def ratio(ours, theirs, key):
    """Of each round to the other's same round, so that what disturbs the machine for longer disturbs both."""
    return confidence([one[key] / other[key] for one, other in zip(ours, theirs)])


def is_sure(paired, least):
    """Does the whole interval lie on one side of a target?"""
    return paired["low"] >= least or paired["high"] < least


def summarize(rounds, reference):
    """What the table shows of one contender's rounds in one workload."""
    summary = {key: spread([one[key] for one in rounds]) for key in FIGURES}
    summary["ratio"] = ratio(rounds, reference, "rate")
    summary["cpu_ratio"] = ratio(rounds, reference, "cpu_us")
    summary["errors"] = sum(one["errors"] for one in rounds)
    return summary


def _number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value else "0"


def _range(figure, show):
    return f"{show(figure['low'])}..{show(figure['high'])}"


def _row(name, summary):
    rate, paired = summary["rate"], summary["ratio"]
    return (
        name, _number(rate["median"]), _range(rate, _number),
        f"{paired['median']:.3f}", _range(paired, "{:.3f}".format),
        f"{summary['p50_us']['median'] / 1000:.2f}", f"{summary['p99_us']['median'] / 1000:.2f}",
        _number(summary["cpu_us"]["median"]), f"{summary['cpu_ratio']['median']:.3f}",
        _number(summary["balancer_us"]["median"]), str(summary["errors"]),
    )


def table(unit, summaries):
    """Lines for people; `unit` is what is counted: request, connection, MB."""
    head = ("", f"{unit}/s", "quartiles", "ratio", "95 % sure", "p50 ms", "p99 ms", f"CPU us/{unit}", "ratio",
            "balancer's", "errors")
    return _columns([head] + [_row(name, summary) for name, summary in summaries.items()])


def _columns(rows):
    """The first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths)]
        yield "  ".join([row[0].ljust(widths[0]), *cells[1:]])


def summarize_runs(rounds, floor):
    """What is shown of the runs of a program; `floor`: the rounds of the least that one can take, or None."""
    summary = {"steer_ns": spread([one["steer_ns"] for one in rounds]),
               "sure": confidence([one["steer_ns"] for one in rounds]),
               "least": min(one["steer_ns"] for one in rounds),
               "rate": spread([one["rate"] for one in rounds]),
               "errors": sum(one["errors"] for one in rounds)}
    if floor:
        summary["above"] = confidence([one["steer_ns"] - other["steer_ns"] for one, other in zip(rounds, floor)])
    return summary


def table_of_runs(summaries):
    """Lines for people: nanoseconds of a run."""
    rows = [("", "ns/run", "quartiles", "least", "above floor", "95 % sure", "per second", "errors")]
    for name, summary in summaries.items():
        above = summary.get("above")
        rows.append((name, _number(summary["steer_ns"]["median"]), _range(summary["steer_ns"], _number),
                     _number(summary["least"]), _number(above["median"]) if above else "",
                     _range(above, _number) if above else "", _number(summary["rate"]["median"]),
                     str(summary["errors"])))
    return _columns(rows)


def judge_run(workload, most, name, summary):
    """One sentence on the time of a run, and whether the target is met."""
    sure, median = summary["sure"], summary["steer_ns"]["median"]
    said = f"{name} {workload}: {median:,.0f} ns a run, 95 % sure of {_range(sure, '{:,.0f}'.format)}; wanted at most {most:,}"
    return f"{said}: {'met' if median <= most else 'MISSED'}", median <= most


def summarize_taken(rounds, floor):
    """What is shown of the part of a core that interrupts took, and of its excess over `floor`."""
    return {"taken": spread([one["taken"] for one in rounds]),
            "above": confidence([one["taken"] - other["taken"] for one, other in zip(rounds, floor)])}


def table_of_taken(summaries):
    """Lines for people: percent of a core."""
    rows = [("", "of a core", "quartiles", "above floor", "95 % sure")]
    for name, summary in summaries.items():
        taken, above = summary["taken"], summary["above"]
        rows.append((name, f"{taken['median']:.2%}", _range(taken, "{:.2%}".format),
                     f"{above['median']:.2%}", _range(above, "{:.2%}".format)))
    return _columns(rows)


def judge_taken(workload, most, name, summary):
    """One sentence on what the timer takes, and whether the target is met."""
    above = summary["above"]
    said = (f"{name} {workload}: {above['median']:.2%} of a core above floor, 95 % sure of "
            f"{_range(above, '{:.2%}'.format)}; wanted at most {most:.1%}")
    return f"{said}: {'met' if above['median'] <= most else 'MISSED'}", above["median"] <= most


# How a figure that is not a rate is summarized, shown and judged.
COSTS = {"steer_ns": (summarize_runs, table_of_runs, judge_run),
         "taken": (summarize_taken, table_of_taken, judge_taken)}


def judge(name, workload, one, summary):
    """A sentence on each target of a workload, and whether it is met."""
    if workload.target:
        yield _judge_ratio(name, workload, one, summary)
    if workload.balancer_us:
        yield _judge_balancer(name, workload, one, summary)


def _judge_ratio(name, workload, one, summary):
    paired = summary["ratio"]
    least, most = workload.target
    said = (f"{one} {name}: {paired['median']:.3f} of {workload.reference}, "
            f"95 % sure of {_range(paired, '{:.3f}'.format)}; wanted ")
    said += f"at least {least}" if most is None else f"{least} to {most}"
    if summary["errors"]:
        return f"{said}: MISSED, {summary['errors']} errors", False
    if most is not None and paired["median"] > most:
        return f"{said}: above it, by uneven shares or noise", True
    met = paired["median"] >= least
    return f"{said}: {'met' if met else 'MISSED'}{'' if is_sure(paired, least) else ', but not surely'}", met


def _judge_balancer(name, workload, one, summary):
    took, most = summary["balancer_us"], workload.balancer_us
    met = took["median"] <= most and not summary["errors"]
    sure = took["low"] > most or took["high"] <= most
    return (f"{one} {name}: {took['median']:.0f} us of its own CPU time for each {workload.unit}, quartiles "
            f"{_range(took, '{:.0f}'.format)}; wanted at most {most:g}: {'met' if met else 'MISSED'}"
            f"{'' if sure else ', but not surely'}{', with errors' if summary['errors'] else ''}"), met


def compare(workload, ours, theirs, rounds):
    """One sentence on a peer, won or lost."""
    rate = ratio(rounds[ours], rounds[theirs], "rate")["median"]
    tail = ratio(rounds[ours], rounds[theirs], "p99_us")["median"]
    verdict = "wins" if rate >= 1 else "LOSES"
    return f"{ours} {verdict} against {theirs} in {workload}: {rate:.2f} times its rate, {tail:.2f} times its p99"


def write(path, results):
    """All or nothing: a reader never sees half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
