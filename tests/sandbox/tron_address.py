"""Addresses of Tron in Python, by other means than the workers': for the stand-in, seeds and tests.

    key, address = tron_address.make(7)          the same ones for the same number
"""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric import ec

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ROTATIONS = [[0, 36, 3, 41, 18], [1, 44, 10, 45, 2], [62, 6, 43, 15, 61], [28, 55, 25, 21, 56],
             [27, 20, 39, 8, 14]]
MASK = (1 << 64) - 1
RATE = 136


def turned(lane: int, bits: int) -> int:
    return ((lane << bits) | (lane >> (64 - bits))) & MASK


def permuted(a: list[list[int]]) -> list[list[int]]:
    """FIPS 202, 3.2 and 3.3, as it is written there."""
    register = 1
    for _ in range(24):
        c = [a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4] for x in range(5)]
        d = [c[(x + 4) % 5] ^ turned(c[(x + 1) % 5], 1) for x in range(5)]
        b = [[0] * 5 for _ in range(5)]
        for x in range(5):
            for y in range(5):
                b[y][(2 * x + 3 * y) % 5] = turned(a[x][y] ^ d[x], ROTATIONS[x][y])
        a = [[b[x][y] ^ (~b[(x + 1) % 5][y] & b[(x + 2) % 5][y]) for y in range(5)]
             for x in range(5)]
        for j in range(7):
            if register & 1:
                a[0][0] ^= 1 << ((1 << j) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
    return a


def keccak_256(message: bytes) -> bytes:
    padded = message + b"\x01" + b"\0" * (-len(message) % RATE or RATE)
    padded = bytearray(padded[:(len(message) // RATE + 1) * RATE])
    padded[-1] |= 0x80
    a = [[0] * 5 for _ in range(5)]
    for at in range(0, len(padded), RATE):
        for i in range(RATE // 8):
            a[i % 5][i // 5] ^= int.from_bytes(padded[at + 8 * i:at + 8 * i + 8], "little")
        a = permuted(a)
    return b"".join(a[i % 5][i // 5].to_bytes(8, "little") for i in range(4))


def checksum(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]


def encode(address: bytes) -> str:
    """20 bytes as base58check with Tron's prefix."""
    data = b"\x41" + address
    number, text = int.from_bytes(data + checksum(data), "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = ALPHABET[digit] + text
    return text


def decode(text: str) -> bytes:
    """The 20 bytes; ValueError for what is no address of Tron."""
    number = 0
    for letter in text:
        number = number * 58 + ALPHABET.index(letter)
    data = number.to_bytes(25, "big") if number < 1 << 200 else b""
    if data[:1] != b"\x41" or checksum(data[:-4]) != data[-4:]:
        raise ValueError(f"no address of Tron: {text!r}")
    return data[1:-4]


def of_key(key: int) -> str:
    point = ec.derive_private_key(key, ec.SECP256K1()).public_key().public_numbers()
    public = point.x.to_bytes(32, "big") + point.y.to_bytes(32, "big")
    return encode(keccak_256(public)[-20:])


def make(number: int) -> tuple[str, str]:
    """A private key in hex and its address."""
    key = int.from_bytes(hashlib.sha256(f"stand-in {number}".encode()).digest(), "big")
    return f"{key:064x}", of_key(key)
