#!/usr/bin/env python3
"""Computes chip-authentication-sessions.json: Chip Authentication v1 over ECDH inside secure messaging.

An independent second opinion (pycryptodome and cryptography; nothing of this project): 9303-11 prints numbers for
3DES secure messaging only. All keys are invented: each is the SHA-256 of its name.

    pip install cryptography pycryptodome
    python3 chip-authentication-sessions.py > chip-authentication-sessions.json
"""
import json
from hashlib import sha1, sha256

from Crypto.Cipher import AES, DES, DES3
from Crypto.Hash import CMAC
from cryptography.hazmat.primitives.asymmetric import ec

CURVES = {12: ec.SECP256R1(), 13: ec.BrainpoolP256R1()}
CURVES[15] = ec.SECP384R1()


def secret(name, length=32):
    return (sha256(name.encode()).digest() * 2)[:length]


def tlv(tag, value):
    head = bytes.fromhex(tag)
    n = len(value)
    size = bytes([n]) if n < 128 else bytes([0x81, n]) if n < 256 else bytes([0x82]) + n.to_bytes(2, "big")
    return head + size + value


def pad(data, block):
    data += b"\x80"
    return data + bytes(-len(data) % block)


def kdf(shared, counter, cipher):
    data = shared + counter.to_bytes(4, "big")
    if cipher in ("AES-192", "AES-256"):
        return sha256(data).digest()[: {"AES-192": 24, "AES-256": 32}[cipher]]
    key = sha1(data).digest()[:16]
    if cipher == "3DES":
        key = bytes((b & 0xFE) | (bin(b >> 1).count("1") + 1) % 2 for b in key)
    return key


class Session:
    def __init__(self, cipher, enc, mac, ssc):
        self.cipher, self.enc, self.mac, self.ssc = cipher, enc, mac, ssc
        self.block = 8 if cipher == "3DES" else 16

    def encrypt(self, ssc, data):
        data = pad(data, self.block)
        if self.cipher == "3DES":
            return DES3.new(self.enc + self.enc[:8], DES3.MODE_CBC, bytes(8)).encrypt(data)
        iv = AES.new(self.enc, AES.MODE_ECB).encrypt(ssc)
        return AES.new(self.enc, AES.MODE_CBC, iv).encrypt(data)

    def checksum(self, data):
        data = pad(data, self.block)
        if self.cipher != "3DES":
            return CMAC.new(self.mac, data, AES).digest()[:8]
        first, second = DES.new(self.mac[:8], DES.MODE_ECB), DES.new(self.mac[8:], DES.MODE_ECB)
        state = bytes(8)
        for at in range(0, len(data), 8):
            state = first.encrypt(bytes(a ^ b for a, b in zip(state, data[at : at + 8])))
        return first.encrypt(second.decrypt(state))

    def step(self):
        self.ssc += 1
        return self.ssc.to_bytes(self.block, "big")

    def command(self, header, data, le=None):
        ssc, header = self.step(), bytes([header[0] | 0x0C]) + header[1:]
        objects = tlv("87", b"\x01" + self.encrypt(ssc, data)) if data else b""
        if le is not None:
            objects += tlv("97", bytes([le]))
        checksum = self.checksum(ssc + pad(header, self.block) + objects)
        body = objects + tlv("8e", checksum)
        return (header + bytes([len(body)]) + body + b"\x00").hex()

    def response(self, data):
        ssc = self.step()
        objects = (tlv("87", b"\x01" + self.encrypt(ssc, data)) if data else b"") + tlv("99", b"\x90\x00")
        return (objects + tlv("8e", self.checksum(ssc + objects)) + b"\x90\x00").hex()


def case(name, parameter_id, last_arc, cipher, new_cipher, ssc, key_id=None):
    curve = CURVES[parameter_id]
    width = (curve.key_size + 7) // 8

    def key_pair(of):
        scalar = int.from_bytes(secret(f"{name}, {of}", width), "big") >> 1
        return scalar, ec.derive_private_key(scalar, curve)

    def point(key):
        numbers = key.public_key().public_numbers()
        return b"\x04" + numbers.x.to_bytes(width, "big") + numbers.y.to_bytes(width, "big")

    chip_scalar, chip = key_pair("chip")
    terminal_scalar, terminal = key_pair("terminal")
    shared = terminal.exchange(ec.ECDH(), chip.public_key())
    seed = secret(f"{name}, first session")
    enc, mac = kdf(seed, 1, cipher), kdf(seed, 2, cipher)
    new_enc, new_mac = kdf(shared, 1, new_cipher), kdf(shared, 2, new_cipher)
    oid = bytes.fromhex("04007f000702020302") + bytes([last_arc])
    session = Session(cipher, enc, mac, ssc)
    exchanges = []

    def exchange(session, header, data, answer=b"", le=None):
        exchanges.append({"c": session.command(bytes.fromhex(header), data, le), "r": session.response(answer)})

    reference = tlv("84", key_id.lstrip(b"\x00")) if key_id else b""
    if new_cipher == "3DES":
        exchange(session, "002241a6", tlv("91", point(terminal)) + reference)
    else:
        exchange(session, "002241a4", tlv("80", oid) + reference)
        exchange(session, "00860000", tlv("7c", tlv("80", point(terminal))), tlv("7c", b""), le=0)
    exchange(Session(new_cipher, new_enc, new_mac, 0), "00a4020c", bytes.fromhex("010e"))
    result = {
        "name": name,
        "domain_parameter_id": parameter_id,
        "chip_authentication_oid": oid.hex(),
        "chip_private_key": chip_scalar.to_bytes(width, "big").hex(),
        "chip_public_key": point(chip).hex(),
        "session_cipher": cipher,
        "ks_enc": enc.hex(),
        "ks_mac": mac.hex(),
        "ssc": f"{ssc:02x}",
        "sk_ifd": terminal_scalar.to_bytes(width, "big").hex(),
        "shared_secret": shared.hex(),
        "exchanges": exchanges,
        "new_session_cipher": new_cipher,
        "new_ks_enc": new_enc.hex(),
        "new_ks_mac": new_mac.hex(),
    }
    if key_id:
        result["key_id"] = key_id.hex()
    return result


print(json.dumps({
    "topic": "Chip Authentication version 1 over ECDH inside secure messaging, and the first command after it",
    "source": "9303-11 §6.2, §9.7, §9.8, computed by chip-authentication-sessions.py with invented keys",
    "recomputed": True,
    "notes": [
        "9303-11 prints numbers for 3DES secure messaging only; these cover AES.",
        "Each exchange is under the old session but the last, SELECT of EF.DG14 (00A4020C02010E), the first under the new one (ssc 0).",
        "The key identifier is an INTEGER; it travels in DO 84 without its sign byte.",
    ],
    "cases": [
        case("AES-128, no key identifier", 13, 2, "AES-128", "AES-128", 0xF0),
        case("AES-128, key identifier 195", 13, 2, "AES-128", "AES-128", 0xBA, key_id=b"\x00\xc3"),
        case("AES-192 on P-384, inside AES-256", 15, 3, "AES-256", "AES-192", 0x0E),
        case("AES-256, inside 3DES", 12, 4, "3DES", "AES-256", 0x02),
        case("3DES by MSE:Set KAT, inside AES-256", 12, 1, "AES-256", "3DES", 0xC6),
    ],
}, indent=1))
