"""Running one step of one tool, and what the machine did meanwhile."""
import concurrent.futures
import os
import signal
import subprocess
import time

TICK = os.sysconf("SC_CLK_TCK")


class Failed(Exception):
    pass


def machine():
    """Seconds of processor time since boot: (busy, stolen)."""
    with open("/proc/stat") as f:
        user, nice, system, _, _, irq, soft, steal = map(int, f.readline().split()[1:9])
    return (user + nice + system + irq + soft) / TICK, steal / TICK


class Clock:
    """What passes between making one and reading it."""

    def __init__(self):
        self.busy, self.stolen = machine()
        self.start = time.monotonic()

    def read(self, cpu, peak_kib):
        wall = time.monotonic() - self.start
        busy, stolen = machine()
        return {"wall": wall, "cpu": cpu, "peak_mb": peak_kib * 1024 / 1e6,
                "others_cpu": max(0.0, busy - self.busy - cpu),
                "stolen": stolen - self.stolen}


def apart(do, *args):
    """Call it in a process of its own.  What a child of ours used before exec is
    counted as its memory, so that this process must stay small: whatever plans
    a hundred thousand files does it elsewhere."""
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        return pool.submit(do, *args).result()


def run(argv, env=None, cwd=None, out=None, timeout=3600):
    """Run to the end and measure: processor time and the largest memory of any
    one process, children included."""
    os.sync()
    sink = open(out, "wb") if out else subprocess.DEVNULL
    log = os.path.join(env["HOME"], "last.log") if env and "HOME" in env else os.devnull
    with open(log, "wb") as err:
        clock = Clock()
        p = subprocess.Popen(argv, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=sink,
                             stderr=err, start_new_session=True)
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(p.pid, signal.SIGKILL))
        signal.alarm(timeout)
        _, status, ru = os.wait4(p.pid, 0)
        signal.alarm(0)
        p.returncode = os.waitstatus_to_exitcode(status)
        got = clock.read(ru.ru_utime + ru.ru_stime, ru.ru_maxrss)
    if out:
        sink.close()
    if p.returncode != 0:
        with open(log, "rb") as err:
            last = err.read()[-300:].decode(errors="replace").strip()
        raise Failed(f"{' '.join(argv)[:120]}: status {p.returncode}: {last}")
    return got


class Mount:
    """A mount kept in the foreground by its process, and what that uses."""

    def __init__(self, argv, point, env, see):
        os.makedirs(point, exist_ok=True)
        self.point = point
        clock = Clock()
        self.log = open(os.path.join(env["HOME"], "mount.log"), "wb")
        self.p = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=self.log,
                                  stderr=self.log, start_new_session=True)
        end = time.monotonic() + 300
        try:
            while not os.path.ismount(point):
                self._wait(end)
            while not (got := see()):
                self._wait(end)
            self.top = got
            os.listdir(got)
        except BaseException:
            self.close()
            raise
        self.ready = clock.read(*self.used())

    def _wait(self, end):
        if self.p.poll() is not None or time.monotonic() > end:
            with open(self.log.name, "rb") as f:
                last = f.read()[-300:].decode(errors="replace").strip()
            raise Failed(f"mount: {last or 'no answer'}")
        time.sleep(0.005)

    def used(self):
        """Processor seconds and peak KiB of the process so far."""
        try:
            with open(f"/proc/{self.p.pid}/stat") as f:
                fields = f.read().rpartition(")")[2].split()
            with open(f"/proc/{self.p.pid}/status") as f:
                peak = [int(line.split()[1]) for line in f if line.startswith("VmHWM")]
            return (int(fields[11]) + int(fields[12])) / TICK, peak[0] if peak else 0
        except FileNotFoundError:
            return 0.0, 0

    def run(self, argv, out=None):
        """A command that reads the mount; the server's time is counted too."""
        before = self.used()[0]
        got = run(argv, out=out)
        cpu, peak = self.used()
        got["cpu"] += cpu - before
        got["others_cpu"] = max(0.0, got["others_cpu"] - (cpu - before))
        got["peak_mb"] = peak * 1024 / 1e6
        return got

    def close(self):
        for argv in (["fusermount3", "-u", self.point], ["umount", self.point],
                     ["umount", "-l", self.point]):
            if not os.path.ismount(self.point):
                break
            subprocess.run(argv, stderr=subprocess.DEVNULL)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()
