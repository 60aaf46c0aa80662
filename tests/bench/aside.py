"""Trees that are done with, kept until the end of the run.

Ext4 gives an inode that was removed within the last five minutes to nobody, and
searches beyond it one by one: making 130,000 files just after as many were
removed takes five to eight times as long.  The next tool would pay for the last
one's target.  So nothing large is removed while something is measured; and a run
that begins soon after the end of another waits.
"""
import os
import subprocess
import time

RECENT = 300        # RECENTCY_MIN and _DIRTY of fs/ext4/ialloc.c, together


def _old(base):
    return os.path.join(base, "old")


def _stamp(base):
    return os.path.join(base, "removed")


def aside(base, path):
    """Out of the way, if it is there."""
    os.makedirs(_old(base), exist_ok=True)
    if os.path.lexists(path):
        os.rename(path, os.path.join(_old(base), str(len(os.listdir(_old(base))))))


def removed(base):
    """From now on what was removed here is recent."""
    with open(_stamp(base), "w"):
        pass


def clear(base):
    """The end of the run: remove them all."""
    subprocess.run(["rm", "-rf", "--one-file-system", _old(base)], check=False)
    removed(base)


def settle(base, say):
    """Until what an earlier run removed is no longer recent."""
    try:
        left = os.stat(_stamp(base)).st_mtime + RECENT - time.time()
    except FileNotFoundError:
        return
    if 0 < left <= RECENT:
        say(f"{left:.0f} s until what the last run removed is forgotten (see README)")
        time.sleep(left)
