#!/usr/bin/python3
# Known answers for the derivations of vitrine-format(5), computed with hashlib and
# PyNaCl, independently of the library: ./vectors.py > vectors.h
import hashlib
import struct

import nacl.bindings as nb


def h(m):
    return hashlib.blake2b(m, digest_size=32).digest()


def hk(k, m):
    return hashlib.blake2b(m, digest_size=32, key=k).digest()


def derive(k, label, m):
    return hashlib.blake2b(m, digest_size=32, key=k, salt=bytes(16),
                           person=label.encode().ljust(16, b"\0")).digest()


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v)


def show(name, b):
    print("static const uint8_t %s[] = {" % name)
    for i in range(0, len(b), 12):
        print("\t" + " ".join("0x%02x," % c for c in b[i:i + 12]))
    print("};")


M = bytes(range(32))
repo = bytes(range(100, 116))
run = bytes(range(200, 216))
salt = bytes(range(64, 96))
abc = b"abc"

print("/* Made by vectors.py: don't edit. */")
show("v_h_abc", h(abc))
show("v_hk_abc", hk(M, abc))
for label in ("header", "registry", "wrap", "x25519"):
    show("v_" + label, derive(M, label, b""))
show("v_public", nb.crypto_scalarmult_base(derive(M, "x25519", b"")))
show("v_writer_0", derive(M, "writer", u32(0)))
show("v_writer_7", derive(M, "writer", u32(7)))
for d in (0, 0x01020304):
    s = derive(M, "domain", u32(d))
    show("v_domain_%x" % d, s)
    show("v_domain_%x_id" % d, derive(s, "id", b""))
    show("v_domain_%x_chunker" % d, derive(s, "chunker", b""))
    show("v_domain_%x_table" % d, derive(s, "table", b""))
sk = derive(derive(M, "wrap", b""), "session", run + salt)
show("v_session", sk)
C = repo + u32(5) + b"\x03" + salt
show("v_frame_key", derive(sk, "frames", C))
show("v_dir_key", derive(sk, "directory", C))

# A wrapped session key, made by libsodium's crypto_box_seal.
pk = nb.crypto_scalarmult_base(derive(M, "x25519", b""))
epk, esk = nb.crypto_box_seed_keypair(bytes(range(7, 39)))
nonce = hashlib.blake2b(epk + pk, digest_size=24).digest()
show("v_wrapped", epk + nb.crypto_box(hk(M, b"session"), nonce, pk, esk))
show("v_wrapped_key", hk(M, b"session"))

# ChaCha20-Poly1305 under the format's nonce.
for n in (0, 1, 0x1122334455667788):
    nonce = bytes(4) + u64(n)
    show("v_seal_%x" % n, nb.crypto_aead_chacha20poly1305_ietf_encrypt(
        bytes(range(200)), b"associated", nonce, M))

# RFC 8439, 2.8.2, whose nonce is not ours: only through libsodium's own call.
text = (b"Ladies and Gentlemen of the class of '99: If I could offer you "
        b"only one tip for the future, sunscreen would be it.")
key = bytes(range(0x80, 0xa0))
ad = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
nonce = bytes.fromhex("070000004041424344454647")
out = nb.crypto_aead_chacha20poly1305_ietf_encrypt(text, ad, nonce, key)
assert out[-16:].hex() == "1ae10b594f09e26a7e902ecbd0600691"
assert out[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2"

# A sealed object and a plain one, byte by byte from the page.
def padme(n):
    if n < 2:
        return n
    e = n.bit_length() - 1
    s = e.bit_length()
    step = 1 << (e - s)
    return (n + step - 1) // step * step


def seal(k, n, a, m):
    return nb.crypto_aead_chacha20poly1305_ietf_encrypt(
        m, a, bytes(4) + u64(n), k)


def head(kind, domain, writer):
    return b"VTRN" + bytes([kind, 1, 1, 0]) + repo + u32(domain) + u32(writer)


content = b"a manifest, say"
size = padme(208 + 4 + len(content) + 16)
fixed = head(6, 0, 0) + run + salt + b"\x01" + bytes(7) + bytes(80)
fixed += u64(size - 208)
fixed += derive(derive(M, "writer", u32(0)), "object", fixed)
assert len(fixed) == 208
body = u32(len(content)) + content
body += bytes(size - 208 - 16 - len(body))
bk = derive(sk, "body", repo + u32(0) + b"\x06" + salt)
show("v_sealed", fixed + seal(bk, 0, fixed, body))
plain = head(7, 3, 7) + run + u32(len(content)) + content
show("v_plain", plain + derive(derive(M, "writer", u32(7)), "plain", plain))

# A key slot for a key file.
kf = bytes(range(1, 41))
master_slot = head(2, 0, 0) + b"\x02\x00\x00\x00" + u32(0) + u64(0)
master_slot += bytes(range(16))
rec = b"\x00" + u32(0) + u32(0) + struct.pack("<qI", 1234567890, 42)
rec += b"\x00\x00" + b"\x05\x00first"
master_slot += u32(48) + u32(len(rec) + 16)
sealed = seal(derive(h(kf), "key file", bytes(range(16))), 0, master_slot, M)
rk = derive(derive(M, "registry", b""), "record", bytes(range(16)) + h(sealed))
show("v_slot", master_slot + sealed + seal(rk, 0, master_slot, rec))

# The same under a passphrase, Argon2id with little memory.
pw = b"correct horse"
a2 = nb.crypto_pwhash_alg(32, pw, bytes(range(16)), 2, 64 * 1024,
                          nb.crypto_pwhash_ALG_ARGON2ID13)
slot = head(2, 0, 0) + b"\x01\x00\x00\x00" + u32(2) + u64(64 * 1024)
slot += bytes(range(16)) + u32(48) + u32(len(rec) + 16)
sealed = seal(a2, 0, slot, M)
rk = derive(derive(M, "registry", b""), "record", bytes(range(16)) + h(sealed))
show("v_slot_pass", slot + sealed + seal(rk, 0, slot, rec))

# Gear values for a chunker key.
ck = derive(derive(M, "domain", u32(0)), "chunker", b"")
show("v_gear_0", derive(ck, "gear", b"\x00")[:8])
show("v_gear_255", derive(ck, "gear", b"\xff")[:8])

# A raw frame, number 9 of a data pack in domain 5, with two chunks.
ids = [hk(M, b"one"), hk(M, b"three")]
P = b"\x00\x00\x02\x00" + u32(3) + ids[0][:8] + u32(5) + ids[1][:8]
P += b"one" + b"three"
A = repo + u32(5) + b"\x03\x00\x00\x00" + salt + u32(9)
assert len(A) == 60
fk = derive(sk, "frames", C)
show("v_frame", u32(len(P) + 16) + bytes(4) + seal(fk, 9, A, P))
