"""What the benchmark's files hold, from a seed.

Nothing here is read from the machine, so that every machine gets the same
bytes.  Text and code are drawn from weighted populations of short pieces, which
makes them compress as real ones do (zstd -3: about 3.5:1), and what is alike
lies near: in frames of 1 MiB they take about 5 % more than in one stream, between
the libraries of a Debian system (1 %) and /usr/share (22 %).  Media are random.
A Maker is one stream: what it gives depends on its seed and on what it gave
before.
"""
import functools
import random

LETTERS = "etaoinshrdlucmfwypvbgkjqxz"


def _words(rng, count):
    words = set()
    while len(words) < count:
        words.add("".join(rng.choices(LETTERS, range(26, 0, -1), k=rng.randint(2, 11))))
    return sorted(words, key=lambda w: (len(w), w))


def _weighted(pieces, steepness):
    """A population in which early pieces stand more often: choices() without
    weights is three times as fast."""
    population = []
    for i, p in enumerate(pieces):
        population += [p] * max(1, int(steepness / (i + 4)))
    return population


class Maker:
    """All kinds of content, from one seed."""

    # The same for every seed: only how the pieces are drawn differs.
    _text = _code = _shapes = None

    def __init__(self, seed):
        self.rng = random.Random(seed)
        if Maker._text is None:
            Maker._prepare()

    @staticmethod
    def _prepare():
        rng = random.Random("vocabulary")
        words = _words(rng, 6000)
        rng.shuffle(words)
        common = ["\n", "\n\t", "\n\t\t", " = ", ";\n", "(", ")", ", ", "->", " {\n", "}\n",
                  "if (", "return (", "\n\n/* ", " */\n", "struct ", "static ", "int ", "const ",
                  "0x", "NULL", " != ", "uint32_t ", "for (", "else ", "#include \"", ".h\"\n"]
        names = [a + j + b for a, j, b in zip(rng.choices(words, k=5000),
                                              rng.choices(["_", "", "::", "."], k=5000),
                                              rng.choices(words, k=5000))]
        pieces = [c.encode() for c in common]
        mixed = [w + " " for w in words] + names
        rng.shuffle(mixed)
        Maker._text = _weighted(pieces + [m.encode() for m in mixed[:8000]], 6000)
        code = [rng.randbytes(rng.choice((2, 3, 3, 4, 4, 5, 7, 8, 12))) for _ in range(5000)]
        code += [bytes(rng.choice((4, 8, 16))) for _ in range(30)]
        code += [b"".join(rng.choices(code, k=rng.randint(3, 9))) for _ in range(4000)]
        rng.shuffle(code)
        Maker._code = _weighted(code, 4000)
        hosts = [f"host{n:02d} {w}[{n * 37}]: " for n, w in enumerate(words[:60])]
        verbs = [f"{a} {b} {c} " for a, b, c in zip(words[100:400], words[400:700],
                                                    words[700:1000])]
        Maker._shapes = (_weighted(hosts, 200), _weighted(verbs, 600))

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def _near(near):
        """The words and names of one project: what lies near is alike, as in real
        trees, where half of the vocabulary is shared only within a project."""
        rng = random.Random(f"near {near}")
        letters = LETTERS.encode()
        names = [bytes(rng.choices(letters, k=rng.randint(5, 14))) for _ in range(900)]
        return rng.choices(Maker._text, k=500) + _weighted(names, 400)

    @staticmethod
    @functools.lru_cache(maxsize=64)
    def _near_code(near):
        """The same for machine code: one compilation's idioms and addresses."""
        rng = random.Random(f"code near {near}")
        own = [rng.randbytes(rng.randint(3, 14)) for _ in range(1800)]
        own += [b"".join(rng.choices(Maker._code, k=rng.randint(2, 6))) for _ in range(200)]
        rng.shuffle(own)
        return rng.choices(Maker._code, k=300) + _weighted(own, 900)

    def text(self, size, near=None):
        """Source and prose; what one file repeats of itself is phrases of its own."""
        rng = self.rng
        words = Maker._text if near is None else Maker._near(near)
        own = rng.choices(words, k=max(8, min(size // 24, 600)))
        phrases = [b"".join(own[i:i + 5]) for i in range(0, len(own) - 5, 2)] or own
        mixed = words[:] if size > 1 << 20 else rng.choices(words, k=4 * len(phrases))
        mixed += phrases * max(1, len(mixed) // (2 * len(phrases)))
        out, have = [], 0
        while have < size:
            part = b"".join(rng.choices(mixed, k=max(16, (size - have) // 8)))
            out.append(part)
            have += len(part)
        return b"".join(out)[:size]

    def code(self, size, near=None):
        """Machine code and tables."""
        pieces = Maker._code if near is None else Maker._near_code(near)
        out, have = [], 0
        while have < size:
            part = b"".join(self.rng.choices(pieces, k=max(16, (size - have) // 16)))
            out.append(part)
            have += len(part)
        return b"".join(out)[:size]

    def log(self, size, start=0):
        """Lines with a time that goes on, a number, an address."""
        rng = self.rng
        hosts, verbs = Maker._shapes
        out, have, t = [], 0, start
        while have < size:
            n = min(20000, (size - have) // 60 + 1)
            numbers = rng.choices(range(100000), k=n)
            lines = []
            for h, v, x in zip(rng.choices(hosts, k=n), rng.choices(verbs, k=n), numbers):
                t += x & 3
                lines.append(f"{t // 3600 % 24:02d}:{t // 60 % 60:02d}:{t % 60:02d} "
                             f"{h}{v}{x} from 10.0.{x & 255}.{x >> 9}\n")
            part = "".join(lines).encode()
            out.append(part)
            have += len(part)
        return b"".join(out)[:size]

    def media(self, size, near=None):
        return self.rng.randbytes(size)
