"""The tables: medians, ratios to the floor, and the targets."""
import statistics

# Target in multiples of the floor's seconds, and seconds on top; for stored, of
# its bytes.  "best" is a multiple of the best peer's.
TARGETS = {
    "S": {"first": (0.6, 0), "unchanged": (1.5, 0.2), "edited": (2.5, 0.2), "restore": (0.8, 0),
          "check": (1.5, 0), "ls": (0, 0.3), "find": (3, 0), "cp": (1.3, 0), "stored": (1.1, 0),
          "added": (0, 5e6)},
    "L": {"first": (0.9, 0), "unchanged": (0, 0.25), "edited": ("best", 0.5), "restore": (1.5, 0),
          "check": (0.7, 0), "ls": (0, 0.3), "cat": (0, 0.9), "stored": (0.98, 0),
          "added": (0, 60e6)},
}
MEMORY = {"S": {"first": 120, "restore": 80, "check": 89, "mount": 80},
          "L": {"first": 110, "restore": 80, "check": 80, "mount": 80}}
# These scale with the corpus where they are not ratios.
SCALED = {("S", "added"), ("L", "added"), ("L", "cat")}
TITLES = {"first": "first backup", "unchanged": "unchanged", "edited": "after the edit",
          "restore": "restore", "check": "check, all data", "ls": "mount to ls",
          "find": "find over the mount", "cp": "cp -r out of it", "cat": "cat out of it",
          "stored": "stored, MB", "added": "added by the edit, MB"}


def median(runs, key):
    values = [r[key] for r in runs if r and key in r]
    return statistics.median(values) if values else None


def cell(value, floor, digits=2):
    if value is None:
        return "-"
    text = f"{value:.{digits}f}"
    return text + (f" ({value / floor:.2f})" if floor else "")


def target_of(which, step, floor, peers, scale):
    """The figure to reach, or None."""
    if step not in TARGETS[which]:
        return None
    times, plus = TARGETS[which][step]
    if times == "best":
        return plus * min(peers) if peers else None
    if times and not floor:
        return None
    if (which, step) in SCALED:
        plus *= scale
    return (times * floor if times else 0) + plus


def lay_out(head, rows):
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = []
    for r in [head, *rows]:
        lines.append("  ".join(c.ljust(w) if i == 0 else c.rjust(w)
                               for i, (c, w) in enumerate(zip(r, widths))).rstrip())
    lines.insert(1, "  ".join("-" * w for w in widths))
    return "\n".join(lines)


def times(which, steps, names, results, scale):
    """Wall seconds (and MB) with the ratio to the floor, and the target."""
    rows = []
    for step in steps:
        size = step in ("stored", "added")
        key, unit = ("bytes", 1e6) if size else ("wall", 1)
        of = {n: median(results[n].get(step, []), key) for n in names}
        floor = of.get("floor")
        peers = [v for n, v in of.items() if v is not None and n not in ("floor", "vitrine")]
        aim = target_of(which, step, floor, peers, scale)
        ours = of.get("vitrine")
        verdict = "" if aim is None or ours is None else \
            f"{aim / unit:.2f} {'met' if ours <= aim else 'MISSED'}"
        first = "" if ours is None or not peers else "yes" if ours <= min(peers) else "NO"
        rows.append([TITLES[step]] + [cell(of[n] / unit if of[n] is not None else None,
                                           floor / unit if floor and n != "floor" else None)
                                      for n in names]
                    + [verdict, first])
    return lay_out([f"{which}: seconds (of floor)", *names, "target", "first"], rows)


def other(which, steps, names, results, key, title):
    rows = []
    for step in steps:
        if step in ("stored", "added"):
            continue
        cells = [cell(median(results[n].get(step, []), key), None, 0 if key == "peak_mb" else 2)
                 for n in names]
        aim = MEMORY[which].get("mount" if step in ("find", "cp", "cat") else step)
        rows.append([TITLES[step], *cells] +
                    ([str(aim) if aim else ""] if key == "peak_mb" else []))
    return lay_out([f"{which}: {title}", *names] + (["target"] if key == "peak_mb" else []), rows)


def corpus(which, steps, names, results, scale):
    parts = [times(which, steps, names, results, scale),
             other(which, steps, names, results, "cpu", "CPU seconds"),
             other(which, steps, names, results, "peak_mb", "peak MB"),
             other(which, steps, names, results, "others_cpu",
                   "CPU seconds of other processes and the kernel meanwhile"),
             other(which, steps, names, results, "stolen", "stolen seconds meanwhile")]
    return "\n\n".join(parts) + "\n"
