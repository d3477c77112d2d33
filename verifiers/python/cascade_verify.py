#!/usr/bin/env python3
"""Check a Cascade receipt ledger.

Written from the format document alone; "section N" in these comments is a section of it.

Needs Python 3.9 or later and the `cryptography` package. Exit codes: 0 valid, 4 invalid evidence,
1 something cannot be read (or a vector failed), 2 usage.
"""

import argparse
import base64
import datetime
import hashlib
import hmac
import io
import json
import os
import re
import sys

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

MAX_LINE = 65536
MAX_DEPTH = 16
MAX_INT = 2**53 - 1
MAX_EPOCH_RECEIPTS = 10000
MAX_ACTIVE = {"receipt": 256, "log": 16, "recovery": 16}
MAX_REVOCATIONS = 1024
MAX_GROUPS = 64
MAX_COMMANDS, MAX_DELEGATION = 64, 8
GENESIS_PREV = hashlib.sha256(b"WHL_MANAGER_GENESIS").hexdigest()
BUNDLE_CHECKS = ("bundle", "syntax", "copies", "chain", "signature", "origin", "time", "lifecycle",
                 "checkpoint", "inclusion", "witness", "memory", "hmac", "statement")
CHECKS = ("syntax", "copies", "chain", "signature", "origin", "time", "lifecycle",
          "checkpoint", "witness", "memory", "hmac")


class Fault(Exception):
    """A fault of the ledger: its code (section 16), and its seq where that is not the line read."""

    def __init__(self, code, detail="", seq=None):
        super().__init__(code)
        self.code, self.detail, self.seq = code, detail, seq


def demand(condition, code, detail=""):
    """Raise the fault `code` unless the condition holds."""
    if not condition:
        raise Fault(code, detail)


def sha256(data):
    """SHA-256 as 32 raw bytes."""
    return hashlib.sha256(data).digest()


# ---------------------------------------------------------------- section 1: lines and JSON

def ledger_lines(stream):
    """Yield the lines of a ledger without their LF, reading no more of a line than allowed (1)."""
    empty = True
    while True:
        line = stream.readline(MAX_LINE + 2)
        if not line:
            break
        empty = False
        whole = line.endswith(b"\n")
        demand(len(line) - whole <= MAX_LINE, "syntax.line_length")
        demand(whole, "syntax.torn", "no line feed at the end")
        yield line[:-1]
    demand(not empty, "syntax.empty", "the file has no byte")


NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
PLAIN = re.compile(r'[^"\\\x00-\x1f]*')
SPACE = re.compile(r"[ \t\n\r]*")
HEX4 = re.compile(r"[0-9A-Fa-f]{4}")
UNESCAPED = {'"': '"', "\\": "\\", "/": "/",
             "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
ESCAPED = {'"': '\\"', "\\": "\\\\",
           "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


class JsonReader:
    """The restricted JSON of section 1.1, read from left to right."""

    def __init__(self, text, key=re.compile("[a-z0-9_]+")):
        self.text, self.at, self.key = text, 0, key

    def document(self):
        """One value and nothing after it."""
        self.space()
        value = self.value(1)
        self.space()
        demand(self.at == len(self.text), "syntax.malformed", "bytes after the value")
        return value

    def space(self):
        self.at = SPACE.match(self.text, self.at).end()

    def peek(self):
        return self.text[self.at:self.at + 1]

    def take(self, token):
        """Step over the token if it comes next."""
        found = self.text.startswith(token, self.at)
        self.at += len(token) if found else 0
        return found

    def value(self, depth):
        """Any value; the depth is looked at before an array or object is entered."""
        first = self.peek()
        if first in ("{", "["):
            demand(depth <= MAX_DEPTH, "syntax.depth")
            self.at += 1
            return self.object(depth) if first == "{" else self.array(depth)
        if first == '"':
            return self.string()
        if self.take("true"):
            return True
        if self.take("false"):
            return False
        demand(not self.take("null"), "syntax.null")
        return self.number()

    def items(self, closer):
        """Step through the places of a list's items, up to its closer."""
        self.space()
        if self.take(closer):
            return
        while True:
            self.space()
            yield
            self.space()
            if self.take(closer):
                return
            demand(self.take(","), "syntax.malformed", "no comma")

    def array(self, depth):
        return [self.value(depth + 1) for _ in self.items("]")]

    def object(self, depth):
        members = {}
        for _ in self.items("}"):
            demand(self.peek() == '"', "syntax.malformed", "no key")
            key = self.string()
            demand(self.key.fullmatch(key), "syntax.key")
            demand(key not in members, "syntax.duplicate_key")
            self.space()
            demand(self.take(":"), "syntax.malformed", "no colon")
            self.space()
            members[key] = self.value(depth + 1)
        return members

    def string(self):
        self.at += 1
        parts = []
        while True:
            plain = PLAIN.match(self.text, self.at)
            parts.append(plain.group())
            self.at = plain.end()
            if self.take('"'):
                return "".join(parts)
            demand(self.take("\\"), "syntax.malformed", "a string does not end, or raw control")
            letter = self.peek()
            self.at += 1
            if letter == "u":
                parts.append(self.escaped_character())
            else:
                demand(letter in UNESCAPED, "syntax.malformed", "an unknown escape")
                parts.append(UNESCAPED[letter])

    def hex4(self):
        digits = HEX4.match(self.text, self.at)
        demand(digits, "syntax.malformed", "no four hex digits")
        self.at += 4
        return int(digits.group(), 16)

    def escaped_character(self):
        """What follows the u of an escape: one code unit, or a surrogate and its partner."""
        unit = self.hex4()
        if not 0xD800 <= unit <= 0xDFFF:
            return chr(unit)
        demand(unit <= 0xDBFF and self.take("\\u"), "syntax.unicode", "a lone surrogate")
        low = self.hex4()
        demand(0xDC00 <= low <= 0xDFFF, "syntax.unicode", "a lone surrogate")
        return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))

    def number(self):
        match = NUMBER.match(self.text, self.at)
        demand(match, "syntax.malformed", "not a value")
        self.at = match.end()
        demand(not match.group(1) and not match.group(2), "syntax.float")
        digits = match.group()
        demand(len(digits) <= 17 and abs(int(digits)) <= MAX_INT, "syntax.int_range")
        return int(digits)


def escape_character(match):
    character = match.group()
    return ESCAPED.get(character) or "\\u%04x" % ord(character)


def canonical_text(value):
    """The JCS text of a value that JsonReader returned (section 1.1)."""
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + re.sub(r'["\\\x00-\x1f]', escape_character, value) + '"'
    if isinstance(value, list):
        return "[" + ",".join(map(canonical_text, value)) + "]"
    return "{" + ",".join('"%s":%s' % (k, canonical_text(value[k])) for k in sorted(value)) + "}"


def canonical(value):
    """The JCS bytes of a value."""
    return canonical_text(value).encode("utf-8")


def parse_line(line):
    """The value of one line: UTF-8, then the text, then its canonical form (section 1.1)."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault("syntax.unicode", "not UTF-8") from None
    value = JsonReader(text).document()
    demand(canonical(value) == line, "syntax.not_canonical")
    return value


# ---------------------------------------------------------------- section 2.1: spellings

def spelled(pattern):
    """A predicate: a string that the pattern matches from end to end."""
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def one_of(*texts):
    return lambda value: isinstance(value, str) and value in texts


def is_text(value):
    return isinstance(value, str)


def is_bool(value):
    return isinstance(value, bool)


def is_count(value):
    return type(value) is int and value >= 0


def is_positive(value):
    return is_count(value) and value > 0


def unbase64(text):
    """The bytes of padded base64 with zero spare bits, or None."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return raw if base64.b64encode(raw).decode() == text else None


def base64_of(size):
    return lambda value: is_text(value) and len(unbase64(value) or b"") == size


TIME_SHAPE = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z")


def is_time(value):
    match = TIME_SHAPE.fullmatch(value) if is_text(value) else None
    if match is None or int(match.group(1)) < 1970:
        return False
    try:
        datetime.date(*map(int, match.groups()))
    except ValueError:
        return False
    return True


is_hash = spelled("[0-9a-f]{64}")
is_receipt_id = spelled("r_[0-9a-f]{16}")
is_principal = spelled("p_[0-9a-f]{16}")
is_key_id = spelled(r"[A-Za-z0-9._-]+\+[0-9a-f]{8}")
is_origin = spelled(r"(?=.{1,255}\Z)[A-Za-z0-9.-]+/t/[0-9a-f]{32}")
is_epoch = spelled("e(?:0|[1-9][0-9]{0,14})")
is_signature = base64_of(64)
is_statement_id = spelled("[0-9a-f]{16}")
is_token_id = spelled("t_[0-9a-f]{16}")


def array_of(check):
    return lambda value: isinstance(value, list) and all(map(check, value))


def is_groups(value):
    return isinstance(value, list) and len(value) <= MAX_GROUPS and all(map(is_text, value))


def is_resources(value):
    """`kind:glob`, one to 64 of them."""
    return (isinstance(value, list) and 1 <= len(value) <= MAX_COMMANDS
            and all(is_text(text) and len(text.encode()) <= 256
                    and re.match("[a-z]+:.", text, re.DOTALL) for text in value))


def is_scope(value):
    """What a grant gives: `assume` or `commands`, never both; `resources` beside `commands` only."""
    return (record({}, {"up_to": one_of(*TIERS), "assume": is_principal,
                        "commands": array_of(is_text), "resources": is_resources})(value)
            and ("assume" in value) != ("commands" in value)
            and not ("assume" in value and "resources" in value)
            and len(value.get("commands", [])) <= MAX_COMMANDS)


def record(required, optional=None):
    """A predicate: an object with these members, each fitting its predicate, and perhaps others."""
    def check(value):
        return (isinstance(value, dict)
                and all(name in value and fits(value[name]) for name, fits in required.items())
                and all(name not in value or fits(value[name])
                        for name, fits in (optional or {}).items()))
    return check


# ---------------------------------------------------------------- sections 2 and 3: receipts

TIERS = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
RECEIPT = {"content": lambda value: isinstance(value, dict), "ed25519_sig": is_signature,
           "entry_hash": is_hash, "hmac": is_hash, "prev_hash": is_hash,
           "receipt_id": is_receipt_id, "timestamp": is_time}
EVERY_KIND = record(
    {"log_origin": is_origin, "seq": is_count, "receipt_id": is_receipt_id, "timestamp": is_time,
     "key_id": is_key_id, "hmac_key_id": is_epoch, "policy_version": is_text,
     "policy_hash": is_hash}, {"clock": one_of("stepped")})
GATES = ["standing", "identity", "authority", "specification", "policy", "risk", "failfast",
         "approval", "budget", "window"]
REASONS = array_of(record({"code": is_text}, {"policy_id": is_text, "control": is_text}))
GATE_LIST = array_of(record({"gate": is_text, "reasons": REASONS,
                             "outcome": one_of("pass", "escalate", "deny", "not_applicable")}))
DRAWS = array_of(record({"budget": is_text, "actions": is_count},
                        {"of": is_principal, "tokens": is_count, "microusd": is_count}))
KNOWN_MEMBERS = {
    "task_type": is_text,
    "layer_hit": spelled(r"L[1-7]|L6\.5|ext:(?s:.+)"),
    "risk_tier": one_of(*TIERS),
    **dict.fromkeys(("classified", "truncated"), is_bool),
    **dict.fromkeys(("principal", "on_behalf_of"), is_principal),
    **dict.fromkeys(("action_hash", "facts_hash", "output_hash", "spec_hash"), is_hash),
    **dict.fromkeys(("duration_us", "tokens_in", "tokens_out", "cost_microusd", "exit_code",
                     "signal"), is_count),
    "effect_status": one_of("confirmed", "failed", "revoked", "unknown"),
    "evidence": one_of("proposed", "checked", "verified"),
    "decision": record({"verdict": one_of("admit", "escalate", "deny"), "gates": lambda value:
                        GATE_LIST(value) and [item["gate"] for item in value] == GATES}),
    "reasons": REASONS,
    "draws": DRAWS,
    "step": record({"at": is_count, "item": is_count, "attempt": is_positive},
                   {"role": one_of("compensation", "reconciler")}),
    "runtime": record({"node": is_text, "version": is_text, "binary_sha256": is_hash}),
    "refs": array_of(record({"receipt_id": is_receipt_id, "entry_hash": is_hash, "rel": one_of(
        "intent", "dry_run", "escalation", "approval", "grant", "chain", "parent", "cron",
        "memory", "supersedes")})),
    "signatures": array_of(record({"principal": is_principal, "sshsig": is_text})),
}
ACTION = {name: KNOWN_MEMBERS[name] for name in (
    "task_type", "runtime", "decision", "principal", "action_hash", "facts_hash", "risk_tier")}
NAMED_KEY = record({"key_id": is_key_id, "public_key": base64_of(32)})
KEY_OBJECT = record({"_type": one_of("cascade/key/v1"), "log_origin": is_origin,
                     "purpose": one_of("receipt", "log", "recovery"), "key_id": is_key_id,
                     "public_key": base64_of(32), "pop": is_signature})
REVOCATION = record({"_type": one_of("cascade/revocation/v1"), "log_origin": is_origin,
                     "key_id": is_key_id, "reason_code": is_text, "compromised_since": is_time},
                    {"replacement": KEY_OBJECT})
ANSWER = {"principal": is_principal, "action_hash": is_hash, "expires": is_time}
KINDS = {  # kind: required members, optional members
    "genesis": ({"keys": record(dict.fromkeys(("receipt", "log", "recovery"), NAMED_KEY)),
                 "admins": array_of(record({"principal": is_principal, "ssh_key": is_text}))}, {}),
    **dict.fromkeys(("dry_run", "blocked", "task_started"), (ACTION, {})),
    "chain_started": ({**ACTION, "spec_hash": is_hash}, {}),
    **dict.fromkeys(("chain_completed", "chain_aborted"), (
        {"principal": is_principal, "spec_hash": is_hash, "steps": record(dict.fromkeys(
            ("completed", "failed", "skipped", "unknown"), is_count))}, {})),
    "escalation": ({**ACTION, "required": is_positive, "groups": is_groups,
                    "expires": is_time, "signature_required": is_bool}, {}),
    # one that adds a schedule has the members of SCHEDULE, an invocation those of its outcome
    "schedule_changed": ({**ACTION, "change": one_of("added", "paused", "resumed", "removed")}, {}),
    "cron_invocation": ({"outcome": one_of("run", "skip", "miss"), "principal": is_principal}, {}),
    **dict.fromkeys(("approval", "denial"), (ANSWER, {})),
    "break_glass": ({}, {}),  # one that says when it must be reviewed has the members of GLASS
    "x_break_glass_review": ({"justified": is_bool, "principal": is_principal,
                  "statement_id": is_statement_id}, {"reason_hash": is_hash}),
    "approval_refused": ({"principal": is_principal, "reasons": REASONS}, {}),
    "heartbeat": ({"segment": is_count, "bytes": is_count, "running_hash": is_hash}, {}),
    "key_added": ({"key": KEY_OBJECT}, {"recovery_sig": is_signature}),
    "key_rotated": ({"key": KEY_OBJECT, "retires": is_key_id}, {"recovery_sig": is_signature}),
    "key_revoked": ({"statement": REVOCATION, "recovery_sig": is_signature}, {}),
    "clock_corrected": ({"from": is_time, "to": is_time, "recovery_sig": is_signature}, {}),
    "anchor": ({"checkpoint": is_text, "checkpoint_sha256": is_hash}, {"tst_sha256": is_hash}),
    "erasure": ({"erased": array_of(record({"receipt_id": is_receipt_id,
                                            "fields": array_of(is_text)}))}, {}),
    "recovery": ({"dropped_bytes": is_count, "dropped_sha256": is_hash, "orphans": is_count}, {}),
    "principal_added": ({"principal": is_principal, "ssh_key": is_text,
                         "groups": is_groups}, {}),
    "principal_removed": ({"principal": is_principal}, {}),
    "grant": ({"principal": is_principal, "to": is_principal, "scope": is_scope,
               "statement_id": is_statement_id,
               "delegate": lambda value: is_count(value) and value <= MAX_DELEGATION},
              {"expires": is_time}),
    "grant_revoked": ({"principal": is_principal, "statement_id": is_statement_id}, {}),
    "policy_activated": ({"activates": record({"policy_version": is_text, "policy_hash": is_hash}),
                          "principal": is_principal, "statement_id": is_statement_id}, {}),
    "pack_activated": ({"activates": record({"policy_version": is_text, "policy_hash": is_hash}),
                        "pack": record({"active": is_bool, "hash": is_hash, "name": is_text}),
                        "principal": is_principal, "statement_id": is_statement_id}, {}),
    "halted": ({"principal": is_principal}, {"reason_hash": is_hash}),
    "resumed": ({"principal": is_principal, "statement_id": is_statement_id},
                {"reason_hash": is_hash}),
    "secret_changed": ({"change": spelled("set|removed"), "principal": is_principal,
                        "secret": is_statement_id, "secret_hash": is_hash,
                        "statement_id": is_statement_id}, {}),
    "tenant_changed": ({"change": spelled("suspended|active|deleted"), "principal": is_principal,
                        "statement_id": is_statement_id},
                       {"of": record({"head": is_hash, "log_origin": is_origin, "root": is_hash,
                                      "size": is_count}),
                        "private_items": is_count, "reason_hash": is_hash, "tenant_hash": is_hash}),
    "token_issued": ({"expires": is_time, "principal": is_principal, "scopes": is_groups,
                      "statement_id": is_statement_id, "to": is_principal, "token_hash": is_hash,
                      "token_id": is_token_id}, {}),
    "token_revoked": ({"principal": is_principal, "statement_id": is_statement_id,
                       "token_id": is_token_id}, {}),
    "tool_pinned": ({"definition_hash": is_hash, "principal": is_principal, "server": is_text,
                     "statement_id": is_statement_id, "tool": is_text}, {}),
    **dict.fromkeys((
        "task_completed", "approval_expired", "task_failed", "task_revoked",
        "task_unknown", "memory_learned", "memory_forgotten"), ({}, {})),
}


GLASS = {**ACTION, "groups": is_groups, "review_due": is_time, "statement_id": is_statement_id}


SCHEDULE = {"schedule": is_statement_id, "schedule_hash": is_hash}
INVOCATIONS = {  # required members, optional members
    "run": ({}, {"due": is_time}),
    "skip": ({"due": is_time}, {}),
    "miss": ({"due": is_time, "until": is_time, "count": is_positive}, {}),
}


def is_extension(kind):
    """Whether the members of this kind are nobody's to check; those of `x_break_glass_review` are."""
    return kind.startswith("x_") and kind not in KINDS


def accepts_tool(content):
    """A pinned tool that takes the place of another one."""
    return content["kind"] == "tool_pinned" and any(
        ref["rel"] == "supersedes" for ref in content.get("refs", []))


def is_glass(content):
    """A break_glass that owes a review (section 6.5)."""
    return content["kind"] == "break_glass" and "review_due" in content


def is_pure(content):
    """A task_completed with a decision and without a ref of rel `intent` (section 3.1)."""
    return (content["kind"] == "task_completed" and "decision" in content
            and all(ref["rel"] != "intent" for ref in content.get("refs", [])))


def check_shape(receipt):
    """Sections 2 and 3: the members of a receipt and of its content."""
    demand(isinstance(receipt, dict), "syntax.member", "a receipt is an object")
    demand(all(name in RECEIPT for name in receipt), "syntax.unknown_member")
    for name, fits in RECEIPT.items():
        demand(name in receipt and fits(receipt[name]), "syntax.member", name)
    content = receipt["content"]
    demand(is_text(content.get("_type")), "syntax.member", "_type")
    demand(content["_type"] == "cascade/receipt/v1", "syntax.type")
    kind = content.get("kind")
    demand(is_text(kind), "syntax.member", "kind")
    demand(kind in KINDS or re.fullmatch("x_[a-z0-9_]+", kind), "syntax.kind")
    demand(EVERY_KIND(content), "syntax.member", "a member that every receipt has")
    if is_extension(kind):
        return
    for name, fits in KNOWN_MEMBERS.items():
        demand(name not in content or fits(content[name]), "syntax.member", name)
    demand(record(*KINDS[kind])(content), "syntax.member", "a member of this kind")
    demand(not is_pure(content) or record(ACTION)(content), "syntax.member", "of a pure task")
    demand(not is_glass(content) or record(GLASS)(content), "syntax.member", "of a broken glass")
    demand(content.get("change") != "added" or kind != "schedule_changed"
           or record(SCHEDULE)(content), "syntax.member", "of a schedule")
    demand(kind != "cron_invocation" or record(*INVOCATIONS[content["outcome"]])(content),
           "syntax.member", "of an invocation")


# ---------------------------------------------------------------- section 2.2: Ed25519

FIELD = 2**255 - 19
CURVE_D = -121665 * pow(121666, FIELD - 2, FIELD) % FIELD
SMALL_ORDER_Y = (0, 1, FIELD - 1, *(int.from_bytes(bytes.fromhex(text), "little") for text in (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")))


def point_accepted(public):
    """Whether 32 bytes are the canonical encoding of a point that is not of small order (2.2)."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if len(public) != 32 or y >= FIELD or y in SMALL_ORDER_Y:
        return False
    x_squared = (y * y - 1) * pow(CURVE_D * y * y + 1, FIELD - 2, FIELD) % FIELD
    return pow(x_squared, (FIELD - 1) // 2, FIELD) in (0, 1)


def ed25519_verifies(public, signature, message):
    """RFC 8032 without the cofactor, which is what OpenSSL under `cryptography` computes (2.2)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


# ---------------------------------------------------------------- section 7: SSH keys, SSHSIG

class Wire:
    """Reads the SSH wire format (RFC 4251 section 5); ValueError where it does not fit."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, size):
        if size > len(self.data) - self.at:
            raise ValueError("too short")
        self.at += size
        return self.data[self.at - size:self.at]

    def uint32(self):
        return int.from_bytes(self.raw(4), "big")

    def string(self):
        return self.raw(self.uint32())

    def natural(self):
        """An mpint that is not negative, in its shortest form."""
        raw = self.string()
        number = int.from_bytes(raw, "big")
        if raw != (number.to_bytes(number.bit_length() // 8 + 1, "big") if number else b""):
            raise ValueError("not the spelling of a natural number")
        return number

    def end(self):
        if self.at != len(self.data):
            raise ValueError("trailing bytes")


def wire_string(data):
    return len(data).to_bytes(4, "big") + data


CURVES = {"nistp256": (ec.SECP256R1(), 65, hashes.SHA256()),
          "nistp384": (ec.SECP384R1(), 97, hashes.SHA384()),
          "nistp521": (ec.SECP521R1(), 133, hashes.SHA512())}


class SshKey:
    """A registered `ssh_key` (section 7). ValueError if it is not accepted."""

    def __init__(self, text):
        algorithm, _, encoded = text.partition(" ")
        self.blob = unbase64(encoded) or b""
        self.algorithm = algorithm
        wire = Wire(self.blob)
        if wire.string() != algorithm.encode():
            raise ValueError("the key is of another algorithm")
        self.security_key = algorithm.startswith("sk-")
        if algorithm in ("ssh-ed25519", "sk-ssh-ed25519@openssh.com"):
            self.public = wire.string()
            if not point_accepted(self.public):
                raise ValueError("the point is refused")
        elif algorithm == "ssh-rsa":
            exponent, modulus = wire.natural(), wire.natural()
            if not 2048 <= modulus.bit_length() <= 16384:
                raise ValueError("the modulus is too short, or beyond what OpenSSH takes")
            self.public = rsa.RSAPublicNumbers(exponent, modulus).public_key()
        else:
            curve = algorithm.replace("sk-", "", 1).replace("@openssh.com", "", 1)[-8:]
            if algorithm not in ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384",
                                 "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com"):
                raise ValueError("the algorithm is not accepted")
            if wire.string() != curve.encode():
                raise ValueError("another curve")
            point = wire.string()
            ec_curve, size, self.hash = CURVES[curve]
            if len(point) != size or point[0] != 4:
                raise ValueError("the point is not uncompressed")
            self.public = ec.EllipticCurvePublicKey.from_encoded_point(ec_curve, point)
        self.application = wire.string() if self.security_key else b""
        wire.end()

    def verify(self, signature, message):
        """Check an SSH signature blob; raises ValueError or InvalidSignature."""
        wire = Wire(signature)
        algorithm, inner = wire.string().decode("ascii"), wire.string()
        if self.security_key:
            flags, counter = wire.raw(1), wire.raw(4)
            if not flags[0] & 1:
                raise ValueError("nobody was present")
            message = sha256(self.application) + flags + counter + sha256(message)
        wire.end()
        if self.algorithm == "ssh-rsa":
            digests = {"rsa-sha2-256": hashes.SHA256(), "rsa-sha2-512": hashes.SHA512()}
            if algorithm not in digests:
                raise ValueError("a signature of another algorithm")
            self.public.verify(inner, message, padding.PKCS1v15(), digests[algorithm])
            return
        if algorithm != self.algorithm:
            raise ValueError("a signature of another algorithm")
        if isinstance(self.public, bytes):
            if not ed25519_verifies(self.public, inner, message):
                raise InvalidSignature
            return
        numbers = Wire(inner)
        der = utils.encode_dss_signature(numbers.natural(), numbers.natural())
        numbers.end()
        self.public.verify(der, message, ec.ECDSA(self.hash))


ARMOUR = re.compile(r"-----BEGIN SSH SIGNATURE-----\r?\n([A-Za-z0-9+/=\r\n]+)\n"
                    r"-----END SSH SIGNATURE-----[\r\n]*")


def sshsig_counts(armoured, key, namespace, text):
    """Whether an SSHSIG counts: by this key, in this namespace, over this text (section 7)."""
    try:
        match = ARMOUR.fullmatch(armoured)
        wire = Wire((match and unbase64(re.sub("[\r\n]", "", match.group(1)))) or b"")
        fits = (wire.raw(6) == b"SSHSIG" and wire.uint32() == 1 and wire.string() == key.blob
                and wire.string() == namespace.encode() and wire.string() == b""
                and wire.string() == b"sha512")
        if not fits:
            return False
        signature = wire.string()
        wire.end()
        key.verify(signature, b"SSHSIG" + wire_string(namespace.encode()) + wire_string(b"")
                   + wire_string(b"sha512") + wire_string(hashlib.sha512(text).digest()))
        return True
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        return False


class People:
    """Who is registered (section 7.3), and which texts were signed before (section 7.4)."""

    def __init__(self):
        self.registered, self.used_texts = {}, set()
        self.by_blob = {}  # whose a registered key is

    def register(self, principal, ssh_key, groups):
        """Register a principal in place of what was registered under that name."""
        try:
            key = SshKey(ssh_key)
        except (ValueError, UnsupportedAlgorithm):
            raise Fault("lifecycle.ssh_key", "the key is not accepted") from None
        demand(self.by_blob.get(key.blob, principal) == principal,
               "lifecycle.ssh_key", "another principal has this key")
        self.remove(principal)
        self.by_blob[key.blob] = principal
        self.registered[principal] = (key, frozenset(groups))

    def remove(self, principal):
        """Take a registration away, if there is one."""
        if principal in self.registered:
            key, _ = self.registered.pop(principal)
            del self.by_blob[key.blob]

    def groups(self, principal):
        return self.registered[principal][1] if principal in self.registered else frozenset()

    def key(self, principal):
        """The registered key of a principal, if there is one."""
        return self.registered[principal][0].blob if principal in self.registered else None

    def is_admin(self, principal):
        return "admins" in self.groups(principal)

    def eligible(self, principal, subject):
        """Whether an answer to this subject is by one who may give it now (section 6.3)."""
        wanted, own = subject.content.get("groups", []), self.groups(principal)
        return (subject.kind == "dry_run" or not wanted or "admins" in own
                or any(group in own for group in wanted))

    def check_signatures(self, content, namespace, text, signer=None):
        """Check the signatures of a receipt over one text (sections 7.1, 7.2, 7.4); without a
        `signer` those over an administrator's statement are by administrators."""
        signatures = content.get("signatures", [])
        for item in signatures:
            principal = item["principal"]
            demand(signer in (None, principal), "lifecycle.signer")
            demand(principal in self.registered, "lifecycle.signer_unknown")
            demand(namespace != "cascade-admin@v1" or signer or self.is_admin(principal),
                   "lifecycle.not_admin")
            demand(sshsig_counts(item["sshsig"], self.registered[principal][0], namespace, text),
                   "lifecycle.sshsig")
        if signatures and namespace != "cascade-spec@v1":
            demand((namespace, sha256(text)) not in self.used_texts, "lifecycle.statement_reused")
            self.used_texts.add((namespace, sha256(text)))


# ---------------------------------------------------------------- section 5: keys

class Key:
    """A key of the chain."""

    def __init__(self, named, purpose):
        self.public, self.purpose = unbase64(named["public_key"]), purpose
        self.added = []  # the receipt keys that it added, and when
        self.fallen, self.signed = None, []


class Keys:
    """The keys of a chain (section 5).

    Whoever makes a chain chooses how many keys it has, so nothing here may take time for each key
    and each receipt.
    """

    def __init__(self):
        self.by_id, self.publics, self.revocations = {}, set(), 0
        self.active = {purpose: [] for purpose in MAX_ACTIVE}
        self.logs = {}  # log keys that ever were, by name and id of their lines

    def enter(self, named, purpose, origin, leaving=None):
        """A key enters the chain (section 5); `leaving` is the one that the receipt takes back."""
        key = Key(named, purpose)
        demand(point_accepted(key.public), "signature.key_refused")
        demand(sha256(key.public)[:4].hex() == named["key_id"][-8:], "signature.key_id")
        demand(named["key_id"] not in self.by_id and key.public not in self.publics,
               "signature.key_repeated")
        active = self.active[purpose]
        demand(len(active) - (leaving in active) < MAX_ACTIVE[purpose], "signature.keys_max")
        self.by_id[named["key_id"]] = key
        self.publics.add(key.public)
        active.append(key)
        if purpose == "log":
            self.logs.setdefault(note_key(origin, 1, key.public), []).append(key.public)
        return key

    def is_active(self, key):
        return key in self.active[key.purpose]

    def deactivate(self, key):
        """The key may not sign from here on."""
        if self.is_active(key):
            self.active[key.purpose].remove(key)

    def signed(self, checkpoint):
        """A line is by a log key that is or was in the chain, and all such lines verify (10)."""
        found = [ed25519_verifies(public, data, checkpoint.text.encode())
                 for named, data in checkpoint.lines for public in self.logs.get(named, ())]
        return bool(found) and all(found)

    def check_possession(self, named):
        """The new key's point is accepted and it signed its own key object (section 5)."""
        public = unbase64(named["public_key"])
        unsigned = {name: value for name, value in named.items() if name != "pop"}
        demand(point_accepted(public), "signature.key_refused")
        demand(ed25519_verifies(public, unbase64(named["pop"]), sha256(canonical(unsigned))),
               "signature.pop")

    def check_recovery(self, signature, value):
        """An active recovery key verifies the signature over the SHA-256 of the value's JCS."""
        message = sha256(canonical(value))
        demand(any(ed25519_verifies(key.public, unbase64(signature), message)
                   for key in self.active["recovery"]), "signature.recovery")

    def check(self, receipt, pinned):
        """The steps of section 5.1 in their order."""
        content = receipt["content"]
        kind = content["kind"]
        if kind == "genesis":
            for purpose in ("receipt", "log", "recovery"):
                self.enter(content["keys"][purpose], purpose, content["log_origin"])
            demand(pinned in (None, unbase64(content["keys"]["receipt"]["public_key"])),
                   "signature.pinned_key")
        elif kind == "key_revoked":
            self.check_revocation(content)
        signer = self.by_id.get(content["key_id"])
        demand(signer, "signature.unknown_key")
        demand(signer in self.active["receipt"], "signature.inactive_key")
        demand(ed25519_verifies(signer.public, unbase64(receipt["ed25519_sig"]),
                                bytes.fromhex(receipt["entry_hash"])), "signature.bad")
        signer.signed.append(content["seq"])
        if kind == "key_rotated":
            demand(content["retires"] == content["key_id"]
                   and content["key"]["purpose"] == "receipt", "signature.retires")
        if kind in ("key_added", "key_rotated"):
            self.check_possession(content["key"])
            if "recovery_sig" in content:
                self.check_recovery(content["recovery_sig"], content["key"])
            demand("recovery_sig" in content or content["key"]["purpose"] == "receipt",
                   "signature.recovery")
            if kind == "key_rotated":
                self.deactivate(signer)
            added = self.enter(content["key"], content["key"]["purpose"], content["log_origin"])
            if added.purpose == "receipt":
                signer.added.append((added, content["timestamp"]))
        if kind == "clock_corrected":
            corrected = {name: content[name] for name in ("from", "log_origin", "seq", "to")}
            self.check_recovery(content["recovery_sig"],
                                {"_type": "cascade/clock/v1", **corrected})

    def check_revocation(self, content):
        """Section 5.1, step 2."""
        statement = content["statement"]
        self.check_recovery(content["recovery_sig"], statement)
        revoked = self.by_id.get(statement["key_id"])
        demand(revoked and not revoked.fallen, "signature.revoked_key")
        self.revocations += 1
        demand(self.revocations <= MAX_REVOCATIONS, "signature.keys_max")
        if "replacement" in statement:
            replacement = statement["replacement"]
            demand(replacement["purpose"] == revoked.purpose, "signature.revoked_key")
            self.check_possession(replacement)
            self.enter(replacement, replacement["purpose"], content["log_origin"], revoked)

    def revoke(self, statement):
        """The revoked key falls, and receipt keys added under it with it (section 5.2)."""
        falling, since = [self.by_id[statement["key_id"]]], statement["compromised_since"]
        while falling:
            key = falling.pop()
            # What fell since then or earlier took everything along that falls now.
            if key.fallen is None or key.fallen > since:
                self.deactivate(key)
                key.fallen = since
                falling += [other for other, moment in key.added if moment >= since]

    def check_disputed(self, cleared):
        """No fallen key signed a receipt that was not anchored before the theft (section 5.3)."""
        stained, known = [], {}
        for key in self.by_id.values():
            if key.fallen:
                if key.fallen not in known:
                    known[key.fallen] = cleared(key.fallen)
                clear = known[key.fallen]
                stained += [seq for seq in key.signed if seq >= clear][:1]
        if stained:
            raise Fault("signature.disputed", "a key that was taken back signed", min(stained))


# ---------------------------------------------------------------- section 6: what happened

CLOSERS = {"task_completed": "confirmed", "task_failed": "failed", "task_revoked": "revoked",
           "task_unknown": "unknown"}
REF_KINDS = {"intent": "task_started", "dry_run": "dry_run", "escalation": "escalation",
             "approval": "approval", "grant": "grant", "memory": "memory_learned",
             "chain": "chain_started"}
ENDS = ("chain_completed", "chain_aborted")  # of a workflow
NOT_OF_A_STATEMENT = ("_type", "clock", "hmac_key_id", "key_id", "log_origin", "policy_hash",
                      "policy_version", "receipt_id", "seq", "timestamp", "signatures")
KEPT = ("timestamp", "principal", "action_hash", "expires", "required", "groups",
        "signature_required")
GRANTED = ("principal", "to", "on_behalf_of", "scope", "expires", "delegate")


def matches(glob, name):
    """Whether a glob, `*` for any text, speaks of a name."""
    first, *rest = glob.split("*")
    if not rest:
        return first == name
    if not name.startswith(first):
        return False
    at = len(first)
    for part in rest[:-1]:
        found = name.find(part, at)
        if found < 0:
            return False
        at = found + len(part)
    return len(name) - at >= len(rest[-1]) and name.endswith(rest[-1])


def within_resources(narrow, wide):
    """Whether every resource is one of those above; a kind that is not named is not limited."""
    narrow, wide = ([text.split(":", 1) for text in texts] for texts in (narrow, wide))
    limited = {kind for kind, _ in wide}
    return (limited <= {kind for kind, _ in narrow}
            and all(kind not in limited
                    or any(kind == own and matches(glob, name) for own, glob in wide)
                    for kind, name in narrow))


def within(narrow, wide):
    """Whether one scope gives no more than another (section 6.4)."""
    if "up_to" in wide and ("up_to" not in narrow
                            or TIERS.index(narrow["up_to"]) > TIERS.index(wide["up_to"])):
        return False
    if "assume" in narrow or "assume" in wide:
        return narrow.get("assume") == wide.get("assume")
    if not within_resources(narrow.get("resources", []), wide.get("resources", [])):
        return False
    mine = set(wide["commands"])
    return "*" in mine or all(command in mine or command.split(" ")[0] in mine
                              for command in narrow["commands"])


class Past:
    """What later receipts may ask about an earlier one."""

    def __init__(self, receipt):
        content = receipt["content"]
        self.seq, self.kind = content["seq"], content["kind"]
        self.receipt_id, self.entry_hash = receipt["receipt_id"], receipt["entry_hash"]
        self.content, self.verdict = {}, None
        self.glass, self.signer_key = is_glass(content), None  # section 6.5
        if self.glass or self.kind in ("dry_run", "escalation", "approval"):
            self.content = {name: content[name] for name in KEPT if name in content}
            self.verdict = content.get("decision", {}).get("verdict")
        elif self.kind == "grant":
            self.content = {name: content[name] for name in GRANTED if name in content}
        self.above = None  # the grant that a grant stands on (section 6.4)
        self.ended = None  # the code of the first thing that forbids to use it (section 6.1)
        self.subject, self.eligible = None, False  # of an approval (section 6.3)
        # an intent that ended (section 6.2), a broken glass or an invocation that was used (6.5, 6.7),
        # a schedule that was removed (6.7)
        self.closed = False
        self.segments, self.bytes = 0, 0  # of an intent
        self.gone = False  # a memory_learned that was forgotten or replaced (section 6.6)
        self.spec_hash = content.get("spec_hash") if self.kind == "chain_started" else None
        # of a schedule that was added, and of an invocation (section 6.7)
        self.schedule = self.kind == "schedule_changed" and content["change"] == "added"
        self.starts = self.kind == "cron_invocation" and content["outcome"] == "run"
        self.paused, self.since, self.through = False, content["timestamp"], ""
        self.chain, self.running = None, 0  # of an intent its workflow, of a workflow its intents

    def end(self, code):
        self.ended = self.ended or code


class Lifecycle:
    """The check `lifecycle` (sections 6 and 7)."""

    def __init__(self):
        self.past, self.people = {}, People()
        self.epoch, self.epoch_receipts = 0, 0
        self.halted, self.suspended, self.deleted = False, False, False
        self.escalated, self.dry_escalated, self.past_gates = set(), set(), set()  # action hashes

    def check(self, receipt, before):
        """One receipt, in the order of section 6; `before` is the content before it."""
        content = receipt["content"]
        kind = content["kind"]
        demand(not self.deleted, "lifecycle.deleted")
        self.check_epoch(content, before)
        if before is not None:
            activated = before["kind"] in ("policy_activated", "pack_activated")
            names = before["activates"] if activated else before
            demand(all(content[name] == names[name] for name in ("policy_version", "policy_hash")),
                   "lifecycle.policy")
        me = Past(receipt)
        if not is_extension(kind):
            refs = self.resolve(content)
            me.chain = self.check_workflow(content, refs)
            self.check_kind(content, refs, me)
            if kind == "genesis":
                self.register(content)
            if kind not in ("approval", "denial"):
                self.check_signatures(content)
            if kind != "genesis":
                self.register(content)
        self.past[me.receipt_id] = me

    def check_epoch(self, content, before):
        epoch = int(content["hmac_key_id"][1:])
        demand(epoch == 0 if before is None else epoch - self.epoch in (0, 1),
               "lifecycle.epoch_step")
        self.epoch_receipts = self.epoch_receipts + 1 if epoch == self.epoch else 1
        self.epoch = epoch
        demand(self.epoch_receipts <= MAX_EPOCH_RECEIPTS, "lifecycle.epoch_full")

    def resolve(self, content):
        """The refs as pairs of rel and earlier receipt (section 6, References)."""
        refs = []
        for ref in content.get("refs", []):
            named = self.past.get(ref["receipt_id"])
            demand(named and named.entry_hash == ref["entry_hash"], "lifecycle.ref")
            demand(REF_KINDS.get(ref["rel"], named.kind) == named.kind, "lifecycle.ref_kind")
            if ref["rel"] == "cron" and content["kind"] in ("schedule_changed", "cron_invocation"):
                demand(named.schedule, "lifecycle.ref_kind")
            elif ref["rel"] == "cron":
                demand(named.kind == "cron_invocation", "lifecycle.ref_kind")
                demand(named.starts, "lifecycle.cron_run")
            demand(ref["rel"] != "memory" or not named.gone, "lifecycle.memory_gone")
            refs.append((ref["rel"], named))
        if content["kind"] == "erasure":
            demand(all(item["receipt_id"] in self.past for item in content["erased"]),
                   "lifecycle.ref", "erased")
        return refs

    def check_workflow(self, content, refs):
        """The workflow that a receipt names (section 6, Workflow)."""
        kind, named = content["kind"], [named for rel, named in refs if rel == "chain"]
        if kind == "chain_started":
            demand(not named, "lifecycle.chain_ref")
        elif kind in ENDS:
            demand(len(named) == 1, "lifecycle.chain_ref")
        demand(len(named) <= 1, "lifecycle.chain_ref")
        if not named:
            return None
        demand(content.get("spec_hash") == named[0].spec_hash, "lifecycle.chain_spec")
        return named[0]

    def check_kind(self, content, refs, me):
        """What the kind demands (sections 6.1 to 6.6)."""
        if content["kind"] == "task_completed" and content.get("layer_hit") == "L6":
            demand(any(rel == "memory" for rel, _ in refs), "lifecycle.memory_unnamed")
        taken = {"memory_forgotten": "memory", "memory_learned": "supersedes"}.get(content["kind"])
        for named in (named for rel, named in refs if rel == taken):
            named.gone = True
        kind = content["kind"]
        run = kind in ("task_started", "chain_started") or is_pure(content)
        if run or me.glass or kind in ("dry_run", "blocked", "escalation", "schedule_changed"):
            verdict = content["decision"]["verdict"]
            outcomes = [gate["outcome"] for gate in content["decision"]["gates"]]
            due = "deny" if "deny" in outcomes else (
                "escalate" if "escalate" in outcomes else "admit")
            demand(verdict == due, "lifecycle.decision")
            demand(verdict == {"blocked": "deny", "escalation": "escalate"}.get(kind, verdict),
                   "lifecycle.verdict")
            if kind == "escalation":
                self.escalated.add(content["action_hash"])
            if kind == "dry_run" and verdict == "escalate":
                self.dry_escalated.add(content["action_hash"])
        if run:
            self.check_run(content, refs, me.chain)
            for invocation in (named for rel, named in refs if rel == "cron"):
                demand(not invocation.closed, "lifecycle.cron_twice")
                invocation.closed = True
            if kind == "task_started" and me.chain:
                me.chain.running += 1
        elif kind == "schedule_changed":
            self.check_run(content, refs, me.chain)
            self.check_schedule(content, refs)
        elif kind == "cron_invocation":
            self.check_invocation(content, refs, me)
        elif kind in ENDS:  # section 6.2
            demand(not me.chain.closed, "lifecycle.two_closers")
            demand(kind == "chain_aborted" or me.chain.running == 0, "lifecycle.chain_running")
            me.chain.closed = True
        elif me.glass:
            self.check_start()
            demand(content["decision"]["verdict"] == "admit", "lifecycle.verdict")
            demand(content["review_due"] > content["timestamp"], "lifecycle.expired")
            self.past_gates.add(content["action_hash"])
            me.signer_key = self.people.key(content["principal"])
        elif kind == "x_break_glass_review":
            demand(len(refs) == 1 and refs[0][1].glass, "lifecycle.subject")
            glass = refs[0][1]
            key = self.people.key(content["principal"])
            demand(glass.content["principal"] != content["principal"]
                   and (key is None or key != glass.signer_key), "lifecycle.self_approval")
            demand(self.people.eligible(content["principal"], glass), "lifecycle.not_eligible")
        elif kind == "heartbeat" or kind in CLOSERS:
            self.check_follower(content, refs, me.chain)
        elif kind in ("approval", "denial"):
            self.check_answer(content, refs, me)
        elif kind == "approval_expired":
            demand(refs, "lifecycle.subject")
            for named in (named for _, named in refs if named.kind != "grant"):
                named.end("lifecycle.expired")
        elif kind == "grant":
            self.check_grant(content, refs, me)
        elif kind == "grant_revoked":
            grants = [named for rel, named in refs if rel == "grant"]
            demand(len(grants) == 1, "lifecycle.grant_ref")
            demand(content["principal"] == grants[0].content["principal"]
                   or self.people.is_admin(content["principal"]), "lifecycle.not_admin")
            grants[0].end("lifecycle.grant_ended")
        elif kind == "token_issued" or accepts_tool(content):
            demand(self.people.is_admin(content["principal"]), "lifecycle.not_admin")
        elif kind in ("halted", "resumed"):
            self.halted = kind == "halted"
        elif kind == "tenant_changed":
            self.check_tenant(content)
        elif kind == "anchor":
            demand(sha256(content["checkpoint"].encode()).hex() == content["checkpoint_sha256"],
                   "lifecycle.anchor")

    def check_start(self):
        """Something is about to run."""
        demand(not self.halted, "lifecycle.halted")
        demand(not self.suspended, "lifecycle.suspended")

    def check_tenant(self, content):
        """Section 6.8: the tenant is suspended, active again or deleted, or another chain was."""
        if "of" in content:
            demand(content["change"] == "deleted"
                   and content["of"]["log_origin"] != content["log_origin"], "lifecycle.tenant")
        elif content["change"] == "deleted":
            demand(self.suspended and all(past.closed for past in self.past.values()
                                          if past.kind == "task_started"), "lifecycle.tenant")
            self.deleted = True
        else:
            self.suspended = content["change"] == "suspended"

    def check_run(self, content, refs, chain):
        """Section 6.1: a task_started, a chain_started or a pure task_completed."""
        action = content["action_hash"]
        demand(content["decision"]["verdict"] == "admit", "lifecycle.denied")
        self.check_start()
        demand(chain is None or not chain.closed, "lifecycle.chain_closed")
        for grant in (named for rel, named in refs if rel == "grant"):
            self.check_held(grant, content["principal"], content["timestamp"])
            demand(grant.content.get("on_behalf_of") in (None, content.get("on_behalf_of")),
                   "lifecycle.grant_holder")
        broken = [named for rel, named in refs if rel == "parent" and named.glass]
        for glass in broken:  # section 6.5
            demand(glass.content["action_hash"] == action, "lifecycle.action_hash")
            demand(glass.content["principal"] == content["principal"], "lifecycle.signer")
            demand(not glass.closed, "lifecycle.approval_reused")
            glass.closed = True
        demand(broken or action not in self.past_gates, "lifecycle.approvals_missing")
        subjects = [named for rel, named in refs if rel in ("escalation", "dry_run")]
        for subject in subjects:
            demand(subject.content["action_hash"] == action, "lifecycle.action_hash")
            demand(subject.verdict != "deny", "lifecycle.denied")
            demand(not subject.ended, subject.ended)
        if action in self.escalated:
            demand(any(subject.kind == "escalation" for subject in subjects),
                   "lifecycle.approvals_missing")
        elif action in self.dry_escalated:
            demand(subjects, "lifecycle.approvals_missing")
        answered = []  # pairs of subject and principal
        for approval in (named for rel, named in refs if rel == "approval"):
            subject, given = approval.subject, approval.content
            demand(subject in subjects, "lifecycle.approval_subject")
            demand(not approval.ended, approval.ended)
            approval.end("lifecycle.approval_reused")
            demand(subject.kind != "escalation"
                   or given["timestamp"] <= subject.content["expires"], "lifecycle.expired")
            demand(content["timestamp"] <= given["expires"], "lifecycle.expired")
            demand(given["principal"] not in (subject.content["principal"], content["principal"]),
                   "lifecycle.self_approval")
            demand((subject, given["principal"]) not in answered, "lifecycle.same_approver")
            demand(approval.eligible, "lifecycle.not_eligible")
            answered.append((subject, given["principal"]))
        for subject in subjects:
            needed = (subject.content["required"] if subject.kind == "escalation"
                      else int(subject.verdict == "escalate"))
            demand(sum(named is subject for named, _ in answered) >= needed,
                   "lifecycle.approvals_missing")

    def check_schedule(self, content, refs):
        """Section 6.7: a schedule is added, paused, resumed or removed."""
        named = [named for rel, named in refs if rel == "cron"]
        change = content["change"]
        if change == "added":
            demand(not named, "lifecycle.cron_ref")
            return
        demand(len(named) == 1, "lifecycle.cron_ref")
        schedule = named[0]
        demand(not schedule.closed and (change == "removed"
               or schedule.paused == (change == "resumed")), "lifecycle.schedule_state")
        schedule.paused, schedule.closed = change == "paused", change == "removed"
        if change == "resumed":
            schedule.since = content["timestamp"]

    def check_invocation(self, content, refs, me):
        """Section 6.7: what became of a time at which a schedule was due."""
        if me.starts:
            self.check_start()
        named = [named for rel, named in refs if rel == "cron"]
        demand(len(named) == 1, "lifecycle.cron_ref")
        schedule = named[0]
        demand(not schedule.closed and not schedule.paused, "lifecycle.schedule_state")
        if "due" in content:
            due = content["due"]
            end = content["until"] if content["outcome"] == "miss" else due
            demand(schedule.since < due <= end <= content["timestamp"], "lifecycle.cron_due")
            demand(due > schedule.through, "lifecycle.cron_twice")
            schedule.through = end

    def check_grant(self, content, refs, me):
        """Section 6.4: an administrator gives, or somebody hands on what he holds."""
        grants = [named for rel, named in refs if rel == "grant"]
        if not grants:
            demand(self.people.is_admin(content["principal"]), "lifecycle.not_admin")
            return
        demand(len(grants) == 1, "lifecycle.grant_ref")
        me.above = grants[0]
        self.check_held(me.above, content["principal"], content["timestamp"])
        given = me.above.content
        end = given.get("expires")
        demand(within(content["scope"], given["scope"])
               and (end is None or content.get("expires", "z") <= end)
               and content["delegate"] < given["delegate"], "lifecycle.grant_wider")

    def check_held(self, grant, holder, at):
        demand(grant.content["to"] == holder, "lifecycle.grant_holder")
        demand(self.holds(grant, at), "lifecycle.grant_ended")

    def holds(self, grant, at):
        """Whether a grant and all that it stands on hold at this moment (section 6.4)."""
        given, registered = grant.content, self.people.registered
        if grant.ended or given.get("expires", "z") <= at:
            return False
        if "on_behalf_of" in given and given["on_behalf_of"] not in registered:
            return False
        if grant.above is None:
            return self.people.is_admin(given["principal"])
        return given["principal"] in registered and self.holds(grant.above, at)

    def check_follower(self, content, refs, chain):
        """Section 6.2: a heartbeat or a closer."""
        kind = content["kind"]
        intents = [named for rel, named in refs if rel == "intent"]
        demand(len(intents) == 1, "lifecycle.no_intent")
        intent = intents[0]
        if kind == "heartbeat":
            demand(not intent.closed, "lifecycle.heartbeat_closed")
            demand(intent.chain is chain, "lifecycle.chain_ref")
            demand(content["segment"] == intent.segments and content["bytes"] >= intent.bytes,
                   "lifecycle.segment")
            intent.segments, intent.bytes = intent.segments + 1, content["bytes"]
            return
        demand(not intent.closed, "lifecycle.two_closers")
        demand(intent.chain is chain, "lifecycle.chain_ref")
        intent.closed = True
        if chain:
            chain.running -= 1
        demand(content.get("effect_status", CLOSERS[kind]) == CLOSERS[kind], "lifecycle.effect")
        demand(kind != "task_completed"
               or (content.get("exit_code", 0) == 0 and "signal" not in content),
               "lifecycle.effect")

    def check_answer(self, content, refs, me):
        """Sections 6.3 and 7.1: an approval or a denial."""
        subjects = [named for rel, named in refs if rel in ("escalation", "dry_run")]
        demand(len(subjects) == 1, "lifecycle.subject")
        subject, approves = subjects[0], content["kind"] == "approval"
        demand(subject.content["action_hash"] == content["action_hash"], "lifecycle.action_hash")
        demand(content.get("signatures") or not approves or subject.kind != "escalation"
               or not subject.content["signature_required"], "lifecycle.signature_missing")
        text = canonical({
            "_type": "cascade/approval/v1", "action_hash": content["action_hash"],
            "approver": content["principal"], "escalation": subject.entry_hash,
            "expires": content["expires"], "log_origin": content["log_origin"],
            "verdict": "approve" if approves else "deny"})
        self.people.check_signatures(content, "cascade-approval@v1", text, content["principal"])
        if approves:
            me.subject, me.eligible = subject, self.people.eligible(content["principal"], subject)
        else:
            subject.end("lifecycle.denied")

    def check_signatures(self, content):
        """Section 7.2: signatures of people on every kind except answers and extensions."""
        kind = content["kind"]
        giving = is_glass(content) or accepts_tool(content) or kind in (
            "grant", "grant_revoked", "token_issued", "x_break_glass_review")
        signed_kind = giving or kind in (
            "principal_added", "resumed", "secret_changed", "tenant_changed") or (
            kind == "key_added" and content["key"]["purpose"] == "receipt")
        demand(content.get("signatures") or not signed_kind, "lifecycle.signature_missing")
        if "spec_hash" in content and not signed_kind:
            namespace = "cascade-spec@v1"
            text = {"_type": "cascade/spec/v1", "spec_hash": content["spec_hash"]}
        else:
            namespace = "cascade-admin@v1"
            text = {"_type": "cascade/admin/v1", "log_origin": content["log_origin"],
                    "statement": {name: value for name, value in content.items()
                                  if name not in NOT_OF_A_STATEMENT}}
        signer = content["principal"] if giving or kind in ("token_revoked", "tool_pinned") else None
        self.people.check_signatures(content, namespace, canonical(text), signer)

    def register(self, content):
        """Section 7.3: people join or leave."""
        if content["kind"] == "genesis":
            for admin in content["admins"]:
                self.people.register(admin["principal"], admin["ssh_key"], ["admins"])
        elif content["kind"] == "principal_added":
            self.people.register(content["principal"], content["ssh_key"], content["groups"])
        elif content["kind"] == "principal_removed":
            self.people.remove(content["principal"])


# ---------------------------------------------------------------- sections 9 to 12: the tree

class Tree:
    """The Merkle tree of RFC 6962 over the receipts (section 9)."""

    def __init__(self):
        self.levels = [[]]

    def add(self, entry_hash):
        """Add a leaf, and every inner node that it completes."""
        node = sha256(b"\x00" + entry_hash)
        for height in range(64):
            if height == len(self.levels):
                self.levels.append([])
            self.levels[height].append(node)
            if len(self.levels[height]) % 2:
                break
            node = sha256(b"\x01" + self.levels[height][-2] + node)

    def root(self, size):
        """The root at a size, or None if there are fewer leaves."""
        if not 0 < size <= len(self.levels[0]):
            return None
        node = None
        for height in range(size.bit_length()):
            if size >> height & 1:
                left = self.levels[height][(size >> height) - 1]
                node = left if node is None else sha256(b"\x01" + left + node)
        return node


NOTE_NAME = re.compile(r"[^\s+\x00-\x1f]+")  # \s of str is wider than White_Space by \x1c-\x1f
SIZE = re.compile(r"[1-9][0-9]{0,15}")


def note_key(name, kind, public):
    """Name and id that the lines of a key carry (sections 10 and 11)."""
    return name, sha256(name.encode() + b"\n" + bytes([kind]) + public)[:4]


class Checkpoint:
    """A checkpoint note (section 10); ValueError if it is none."""

    def __init__(self, note):
        text = note.decode("utf-8")
        if len(note) > 65536 or re.search(r"[\x00-\x09\x0b-\x1f]", text):
            raise ValueError("not a note")
        self.text, gap, lines = text.rpartition("\n\n")
        self.text += "\n"
        body = self.text.split("\n")
        if not gap or len(body) != 4 or not lines.endswith("\n"):
            raise ValueError("not three lines and signatures")
        self.origin, size, root = body[:3]
        self.size, self.root = int(size) if SIZE.fullmatch(size) else 0, strict_base64(root)
        if not self.origin or not 0 < self.size <= MAX_INT or len(self.root) != 32:
            raise ValueError("not origin, size and root")
        self.lines = [self.signature(line) for line in lines[:-1].split("\n")]
        if len(self.lines) > 64:
            raise ValueError("too many signatures")

    @staticmethod
    def signature(line):
        """Name and id, and what follows the id."""
        dash, name, data = line.split(" ")
        data = strict_base64(data)
        if dash != "\u2014" or not NOTE_NAME.fullmatch(name) or len(data) < 5:
            raise ValueError("not a signature line")
        return (name, data[:4]), data[4:]

    def by(self, key):
        """The signatures of the lines with this name and id."""
        return [data for named, data in self.lines if named == key]

    def signed(self, origin, publics):
        """At least one line is by one of these log keys, and all of those verify."""
        found = [ed25519_verifies(public, data, self.text.encode())
                 for public in publics for data in self.by(note_key(origin, 1, public))]
        return bool(found) and all(found)

    def cosigned(self, key, public):
        """The earliest time of the witness's lines, or None; False if one does not verify."""
        times = []
        for data in self.by(key):
            moment = int.from_bytes(data[:8], "big")
            message = "cosignature/v1\ntime %d\n%s" % (moment, self.text)
            if len(data) != 72 or not ed25519_verifies(public, data[8:], message.encode()):
                return False
            times.append(moment)
        return min(times) if times else None


def strict_base64(text):
    """Base64 in its one spelling."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not base64")
    return data


class Trust:
    """A trust policy (section 11); ValueError if it cannot be read."""

    def __init__(self, text):
        self.logs, self.witnesses, self.rules, self.used = [], {}, {}, set()
        self.quorum = None
        if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", text):
            raise ValueError("a control character in the policy")
        for line in text.split(b"\n"):
            words = [word for word in re.split(rb"[ \t]+", line) if word]
            if words and not words[0].startswith(b"#"):
                self.line(*words)
        if self.quorum is None:
            raise ValueError("no quorum line")

    def line(self, word, *rest):
        """Read one line."""
        if word == b"log" and len(rest) in (1, 2):
            self.logs.append(self.vkey(rest[0], 1))
        elif word == b"witness" and len(rest) in (2, 3):
            self.define(rest[0], (1, [rest[0]]))
            self.witnesses[rest[0]] = self.vkey(rest[1], 4)
        elif word == b"group" and len(rest) > 2:
            name, least, members = rest[0], rest[1], rest[2:]
            if any(one not in self.rules or one in self.used for one in members) \
                    or len(set(members)) != len(members):
                raise ValueError("a member is unknown or used twice")
            self.used |= set(members)
            least = {b"any": 1, b"all": len(members)}.get(least) or int(least)
            if not 1 <= least <= len(members):
                raise ValueError("a threshold out of range")
            self.define(name, (least, members))
        elif word == b"quorum" and len(rest) == 1 and self.quorum is None:
            if rest[0] != b"none" and rest[0] not in self.rules:
                raise ValueError("an unknown quorum")
            self.quorum = rest[0]
        else:
            raise ValueError("not a line of a policy")

    def define(self, name, rule):
        """A name for a witness or group."""
        if name == b"none" or name in self.rules:
            raise ValueError("a name is taken")
        self.rules[name] = rule

    @staticmethod
    def vkey(word, kind):
        """Name, id and public key of a vkey of this type."""
        name, digits, key = word.decode("utf-8").split("+", 2)
        data = strict_base64(key)
        named = note_key(name, kind, data[1:])
        if not NOTE_NAME.fullmatch(name) or len(data) != 33 or data[0] != kind \
                or named[1].hex() != digits or not point_accepted(data[1:]):
            raise ValueError("not a verifier key")
        return named, data[1:]

    def met(self, cosigned, name=None):
        """Whether the quorum is met by the witnesses of these names."""
        name = self.quorum if name is None else name
        if name == b"none":
            return True
        if name in self.witnesses:
            return name in cosigned
        least, members = self.rules[name]
        return sum(self.met(cosigned, one) for one in members) >= least

    def judge(self, checkpoint, origin):
        """When the quorum was met (None: it needs nobody), or the fault of section 11."""
        times = {}
        for name, (key, public) in self.witnesses.items():
            moment = checkpoint.cosigned(key, public)
            demand(moment is not False, "witness.signature")
            if moment is not None:
                times[name] = moment
        pinned = [public for (name, _), public in self.logs if name == origin]
        demand(not self.logs or checkpoint.signed(origin, pinned), "witness.log")
        if self.met(()):
            return None
        for moment in sorted(times.values()):
            if self.met([name for name, time in times.items() if time <= moment]):
                return moment
        raise Fault("witness.quorum")


OTHER_GENESIS = "another genesis key is remembered for this origin"


class Anchors:
    """Checkpoints, witnesses and memory (sections 10 to 12)."""

    def __init__(self, trust):
        self.trust, self.tree, self.asked = trust, Tree(), False
        self.faults, self.quorums = {}, []  # the first fault of each check; (size, time)

    def look(self, chain, note, anchor_seq=None):
        """Check one checkpoint, embedded by the anchor at that seq or given by the reader."""
        self.asked = True
        try:
            checkpoint = self.check(chain, note)
        except Fault as fault:
            seq = fault.seq if anchor_seq is None else anchor_seq
            self.faults.setdefault("checkpoint", Fault(fault.code, seq=seq or 0))
            return
        if self.trust is None:
            return
        try:
            moment = self.trust.judge(checkpoint, chain.origin)
            self.quorums.append((checkpoint.size, moment))
        except Fault as fault:
            if anchor_seq is None:
                self.faults.setdefault("witness", Fault(fault.code, seq=checkpoint.size - 1))

    def check(self, chain, note):
        """Check 8 on one checkpoint."""
        try:
            checkpoint = Checkpoint(note)
        except ValueError as error:
            raise Fault("checkpoint.malformed") from error
        demand(checkpoint.origin == chain.origin, "checkpoint.origin")
        demand(chain.keys.signed(checkpoint), "checkpoint.signature")
        root = self.tree.root(checkpoint.size)
        if root is None:
            raise Fault("checkpoint.truncated", seq=len(chain.hashes))
        if root != checkpoint.root:
            raise Fault("checkpoint.root", seq=checkpoint.size - 1)
        return checkpoint

    def cleared(self, since):
        """How many receipts were anchored before a time (section 5.3)."""
        moment = datetime.datetime.fromisoformat(since.replace("Z", "+00:00"))
        limit = round(moment.timestamp() * 1000)
        return max([size for size, time in self.quorums
                    if time is not None and time * 1000 < limit], default=0)

    def finish(self, memory, ambiguous):
        """Report the first fault of checks 8, 9 and 10."""
        if self.trust is not None and not self.quorums:
            self.faults.setdefault("witness", Fault("witness.quorum", seq=0))
        for check in ("checkpoint", "witness"):
            if check in self.faults:
                raise self.faults[check]
        if ambiguous:
            raise Fault("memory.fork", OTHER_GENESIS, 0)
        if memory is not None:
            size, remembered = memory
            root = self.tree.root(size)
            if root is None:
                raise Fault("memory.older_than_remembered", seq=len(self.tree.levels[0]))
            if root != remembered:
                raise Fault("memory.fork", seq=size - 1)


# ---------------------------------------------------------------- sections 4, 8 and 14: verdict

class Tags:
    """The HMAC tags (section 8), looked at only by a reader who has the master."""

    def __init__(self, master):
        self.key, self.epoch, self.master, self.first_wrong = None, 0, master, None

    def look(self, receipt):
        """Note the first wrong tag; epochs never go back (section 6)."""
        if self.master is None or self.first_wrong is not None:
            return
        content = receipt["content"]
        if self.key is None:
            extracted = hmac.digest(bytes(32), self.master, "sha256")
            info = b"cascade/hmac/v1\n" + content["log_origin"].encode()
            self.key = hmac.digest(extracted, info + b"\x01", "sha256")
        while self.epoch < int(content["hmac_key_id"][1:]):
            self.key = hmac.digest(self.key, b"cascade/hmac-ratchet/v1", "sha256")
            self.epoch += 1
        tag = hmac.digest(self.key, bytes.fromhex(receipt["entry_hash"]), "sha256").hex()
        if not hmac.compare_digest(tag, receipt["hmac"]):
            self.first_wrong = content["seq"]


class Chain:
    """The receipts that passed so far, and the checks of the next one (section 4)."""

    def __init__(self, pinned, master, trust):
        self.pinned, self.tags, self.anchors = pinned, Tags(master), Anchors(trust)
        self.keys, self.lifecycle = Keys(), Lifecycle()
        self.hashes, self.before, self.origin = [], None, None

    def accept(self, line):
        """Run checks 1 to 7 on one line."""
        receipt = parse_line(line)
        check_shape(receipt)
        content = receipt["content"]
        for name in ("receipt_id", "timestamp"):
            demand(receipt[name] == content[name], "copies." + name)
        self.check_links(receipt)
        self.keys.check(receipt, self.pinned)
        self.check_origin(content)
        self.check_time(content)
        self.lifecycle.check(receipt, self.before)
        if content["kind"] == "key_revoked":
            self.keys.revoke(content["statement"])
        self.tags.look(receipt)
        if content["kind"] == "anchor":
            self.anchors.look(self, content["checkpoint"].encode(), content["seq"])
        self.anchors.tree.add(bytes.fromhex(receipt["entry_hash"]))
        self.hashes.append(receipt["entry_hash"])
        self.before = content

    def check_links(self, receipt):
        """Check 3 of section 4."""
        content, prev_hash = receipt["content"], receipt["prev_hash"]
        demand(content["seq"] == len(self.hashes), "chain.seq")
        demand(prev_hash == (self.hashes[-1] if self.hashes else GENESIS_PREV), "chain.prev_hash")
        entry_hash = sha256(prev_hash.encode() + b"|" + canonical(content)).hex()
        demand(receipt["entry_hash"] == entry_hash, "chain.entry_hash")
        demand((content["kind"] == "genesis") == (not self.hashes), "chain.genesis")
        demand(receipt["receipt_id"] not in self.lifecycle.past, "chain.receipt_id")

    def check_origin(self, content):
        """Check 5 of section 4."""
        self.origin = self.origin or content["log_origin"]
        demand(content["log_origin"] == self.origin, "origin.changed")
        named = []
        if content["kind"] in ("key_added", "key_rotated"):
            named = [content["key"]]
        if content["kind"] == "key_revoked":
            statement = content["statement"]
            named = [statement, statement.get("replacement", statement)]
        demand(all(item["log_origin"] == self.origin for item in named), "origin.key")

    def check_time(self, content):
        """Check 6 of section 4."""
        if self.before is None:
            return
        earlier, now = self.before["timestamp"], content["timestamp"]
        if content["kind"] == "clock_corrected":
            demand(content["from"] == earlier and content["to"] == now, "time.correction")
            return
        demand(now >= earlier, "time.backwards")
        demand("clock" not in content or now == earlier, "time.stepped")

    def finish(self, checkpoints, memory, other_genesis):
        """The steps after the last line: sections 5.3, 10 to 12 and 8."""
        for note in checkpoints:
            self.anchors.look(self, note)
        self.keys.check_disputed(self.anchors.cleared)
        self.anchors.finish(memory, other_genesis and self.pinned is None)
        if self.tags.first_wrong is not None:
            raise Fault("hmac.tag", seq=self.tags.first_wrong)


def verify(stream, pinned=None, master=None, checkpoints=(), trust=None, memory=None,
           other_genesis=False):
    """Read a ledger and return the verdict that section 14 describes.

    `memory` is what the reader remembers of this chain, `other_genesis` whether it remembers one
    of the same origin with another genesis key (section 12).
    """
    chain, fault, seq = Chain(pinned, master, trust), None, None
    try:
        for line in ledger_lines(stream):
            chain.accept(line)
        chain.finish(checkpoints, memory, other_genesis)
    except Fault as found:
        fault, seq = found, len(chain.hashes) if found.seq is None else found.seq
    good = len(chain.hashes)
    past = list(chain.lifecycle.past.values())[:good]
    still_open, open_chains = (
        [{"seq": one.seq, "receipt_id": one.receipt_id} for one in past
         if one.kind == kind and not one.closed] for kind in ("task_started", "chain_started"))
    asked = {"checkpoint": chain.anchors.asked or bool(checkpoints), "witness": trust is not None,
             "memory": memory is not None or (other_genesis and pinned is None),
             "hmac": master is not None}
    sizes = [size for size, _ in chain.anchors.quorums] if fault is None else []
    anchored = max(sizes) - 1 if sizes else None
    return {
        "valid": fault is None, "key_pinned": pinned is not None, "receipts": good,
        "head": {"seq": good - 1, "entry_hash": chain.hashes[good - 1]} if good else None,
        "checks": outcomes(fault, seq, asked), "open": still_open, "open_chains": open_chains,
        "anchored_through": anchored,
        "not_proven": not_proven(pinned is not None, anchored, len(still_open), other_genesis,
                                 master is not None),
    }


def outcomes(fault, seq, asked, checks=CHECKS):
    """The checks with their outcomes (sections 4 and 13)."""
    failed = fault.code.split(".")[0] if fault else None
    rows, outcome = [], "pass"
    for check in checks:
        row = {"check": check, "outcome": outcome, "seq": None, "code": None, "detail": None}
        if not asked.get(check, True):
            row["outcome"] = "not_asked"
        elif check == failed:
            row.update(outcome="fail", seq=seq, code=fault.code, detail=fault.detail or None)
            outcome = "not_reached"
        rows.append(row)
    return rows


def not_proven(key_pinned, anchored, open_count, other_genesis, tags_checked=False):
    """What a valid verdict leaves open (section 14)."""
    said = ["Actions that never went through Cascade are not in the ledger.",
            "What was recorded may have been false when it was written."]
    if anchored is None:
        said.append("No trusted witness cosigned: receipts may have been cut from the end, and "
                    "whoever holds the keys can write another history.")
    else:
        said.append("Receipts after seq %d are not anchored: they may have been cut or "
                    "rewritten." % anchored)
    if not key_pinned:
        said.append("No public key was given: anybody may have founded this chain.")
    if other_genesis:
        said.append("Another chain of this origin, with another genesis key, is remembered: whose "
                    "this one is, the public key says and nothing else.")
    if not tags_checked:
        said.append("HMAC tags were not checked: they are for holders of the HMAC master.")
    if open_count:
        said.append("%d intents have no closer: how they ended is not known." % open_count)
    return said


# ---------------------------------------------------------------- section 13: bundles

MAX_BUNDLE, MAX_BUNDLE_RECEIPTS, MAX_SIGNATURES, MAX_PATH = 64 << 20, 20000, 16, 64
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE, PREDICATE_TYPE = "https://in-toto.io/Statement/v1", "urn:cascade:bundle:v1"
LOOK = 256  # bytes that tell a bundle from a ledger
BUNDLE_START = re.compile(rb'[ \t\n\r]*\{[ \t\n\r]*"(payload|payloadType|signatures)"')


def typed(value, kind):
    """The value, if it is of this type."""
    if type(value) is not kind:
        raise ValueError("another type")
    return value


def foreign_json(data):
    """JSON of a format that others have made: any keys."""
    return JsonReader(data.decode("utf-8"), re.compile(".*", re.DOTALL)).document()


def sized_base64(text, length):
    """Base64 of so many bytes."""
    data = strict_base64(typed(text, str))
    if len(data) != length:
        raise ValueError("another length")
    return data


class Bundle:
    """The parts of a bundle (section 13, step 1)."""

    def __init__(self, data):
        try:
            self.read(data)
        except Fault as fault:
            if fault.code.startswith("bundle."):
                raise
            raise Fault("bundle.malformed", seq=0) from None
        except (ValueError, KeyError, TypeError):
            raise Fault("bundle.malformed", seq=0) from None

    def read(self, data):
        if len(data) > MAX_BUNDLE:
            raise Fault("bundle.size", seq=0)
        envelope = typed(foreign_json(data), dict)
        if typed(envelope["payloadType"], str) != PAYLOAD_TYPE:
            raise Fault("bundle.type", seq=0)
        self.payload = strict_base64(typed(envelope["payload"], str))
        signatures = typed(envelope["signatures"], list)
        if len(signatures) > MAX_SIGNATURES:
            raise Fault("bundle.size", seq=0)
        self.signatures = [(typed(one["keyid"], str), sized_base64(one["sig"], 64))
                           for one in signatures]
        statement = typed(foreign_json(self.payload), dict)
        kinds = (statement.get("_type"), statement.get("predicateType"))
        if kinds != (STATEMENT_TYPE, PREDICATE_TYPE):
            raise Fault("bundle.type", seq=0)
        self.read_predicate(statement["predicate"])
        self.subjects = [(matched(one["name"], "r_[0-9a-f]{16}"),
                          matched(one["digest"]["sha256"], "[0-9a-f]{64}"))
                         for one in typed(statement["subject"], list)]

    def read_predicate(self, predicate):
        receipts = typed(predicate["receipts"], list)
        if len(receipts) > MAX_BUNDLE_RECEIPTS:
            raise Fault("bundle.size", seq=0)
        self.origin = typed(predicate["log_origin"], str)
        self.checkpoint = typed(predicate["checkpoint"], str)
        self.receipts = []
        for one in receipts:
            path = typed(one["path"], list)
            if len(path) > MAX_PATH:
                raise ValueError("a long path")
            self.receipts.append((typed(one["line"], str), [sized_base64(h, 32) for h in path]))
        self.disclosures = [(matched(one["receipt_id"], "r_[0-9a-f]{16}"),
                             matched(one["field"], "[a-z0-9_]+"),
                             sized_base64(one["nonce"], 32), strict_base64(typed(one["bytes"], str)))
                            for one in typed(predicate["disclosures"], list)]
        self.snapshots = [strict_base64(typed(one, str))
                          for one in typed(predicate["snapshots"], list)]
        for line in typed(predicate["not_proven"], list):
            typed(line, str)


def matched(text, pattern):
    """The text, if it has this form."""
    if not re.fullmatch(pattern, typed(text, str)):
        raise ValueError("another form")
    return text


def root_by_path(index, size, leaf, path):
    """The root that an audit path gives (RFC 9162, section 2.1.3.2), or None."""
    if index >= size:
        return None
    node, last = leaf, size - 1
    for sibling in path:
        if last == 0:
            return None
        if index & 1 or index == last:
            node = sha256(b"\x01" + sibling + node)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            node = sha256(b"\x01" + node + sibling)
        index, last = index >> 1, last >> 1
    return node if last == 0 else None


def texts_of(value):
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of(item)


class Case:
    """A bundle under verification (section 13)."""

    def __init__(self, pinned, trust, memory, other_genesis):
        self.pinned, self.trust, self.memory = pinned, trust, memory
        self.ambiguous = other_genesis and pinned is None
        self.keys, self.origin, self.known = Keys(), None, {}
        self.before, self.size, self.through = None, None, None

    def judge(self, data):
        bundle = Bundle(data)
        for index, (line, _) in enumerate(bundle.receipts):
            self.accept(index, line)
        if not self.known:
            raise Fault("syntax.empty", seq=0)
        if self.origin != bundle.origin:
            raise Fault("origin.changed", seq=0)
        checkpoint = self.checkpoint(bundle)
        self.outside(bundle, checkpoint)
        self.claims(bundle)

    def accept(self, index, line):
        """Step 2 on one receipt."""
        seq = index
        try:
            data = line.encode("utf-8")
            demand(len(data) <= MAX_LINE, "syntax.line_length")
            receipt = parse_line(data)
            check_shape(receipt)
            content = receipt["content"]
            seq = content["seq"]
            for name in ("receipt_id", "timestamp"):
                demand(receipt[name] == content[name], "copies." + name)
            self.check_links(receipt)
            self.keys.check(receipt, self.pinned)
            Chain.check_origin(self, content)
            if self.before is None or self.before["seq"] + 1 == seq:
                Chain.check_time(self, content)
        except Fault as fault:
            raise Fault(fault.code, fault.detail, seq) from None
        if content["kind"] == "key_revoked":
            self.keys.revoke(content["statement"])
        self.known[receipt["receipt_id"]] = receipt
        self.before = content

    def check_links(self, receipt):
        content, prev_hash, last = receipt["content"], receipt["prev_hash"], self.before
        if last is None:
            demand(content["seq"] == 0, "chain.genesis")
            demand(prev_hash == GENESIS_PREV, "chain.prev_hash")
        else:
            demand(content["seq"] > last["seq"], "chain.seq")
            neighbour = self.known[last["receipt_id"]]["entry_hash"]
            demand(content["seq"] != last["seq"] + 1 or prev_hash == neighbour, "chain.prev_hash")
        entry_hash = sha256(prev_hash.encode() + b"|" + canonical(content)).hex()
        demand(receipt["entry_hash"] == entry_hash, "chain.entry_hash")
        demand((content["kind"] == "genesis") == (last is None), "chain.genesis")
        demand(receipt["receipt_id"] not in self.known, "chain.receipt_id")

    def checkpoint(self, bundle):
        """Steps 3 and 4."""
        try:
            checkpoint = Checkpoint(bundle.checkpoint.encode("utf-8"))
        except ValueError:
            raise Fault("checkpoint.malformed", seq=0) from None
        if checkpoint.origin != self.origin:
            raise Fault("checkpoint.origin", seq=0)
        if not self.keys.signed(checkpoint):
            raise Fault("checkpoint.signature", seq=0)
        for receipt, (_, path) in zip(self.known.values(), bundle.receipts):
            seq = receipt["content"]["seq"]
            leaf = sha256(b"\x00" + bytes.fromhex(receipt["entry_hash"]))
            if root_by_path(seq, checkpoint.size, leaf, path) != checkpoint.root:
                raise Fault("inclusion.path", seq=seq)
        return checkpoint

    def outside(self, bundle, checkpoint):
        """Steps 5 to 7."""
        self.size, quorums = checkpoint.size, []
        if self.trust is not None:
            try:
                quorums.append((self.size, self.trust.judge(checkpoint, self.origin)))
            except Fault as fault:
                raise Fault(fault.code, seq=self.size - 1) from None
            self.through = self.size - 1
        anchors = Anchors(self.trust)
        anchors.quorums = quorums
        self.keys.check_disputed(anchors.cleared)
        if self.ambiguous:
            raise Fault("memory.fork", OTHER_GENESIS, 0)
        if self.memory is not None and self.memory[0] == self.size \
                and self.memory[1] != checkpoint.root:
            raise Fault("memory.fork", seq=self.size - 1)

    def claims(self, bundle):
        """Step 8."""
        shown = {one: receipt["entry_hash"] for one, receipt in self.known.items()}
        if not bundle.subjects or any(shown.get(one) != digest for one, digest in bundle.subjects):
            raise Fault("statement.subject", seq=0)
        kind = PAYLOAD_TYPE.encode()
        message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(bundle.payload), bundle.payload)
        known = [(self.keys.by_id[name].public, signature) for name, signature in bundle.signatures
                 if self.keys.by_id.get(name) in self.keys.active["receipt"]]
        if not known or not all(ed25519_verifies(key, sig, message) for key, sig in known):
            raise Fault("statement.signature", seq=0)
        for name, field, nonce, data in bundle.disclosures:
            content = self.known[name]["content"] if name in self.known else {"seq": 0}
            if field not in ("action_hash", "facts_hash") \
                    or content.get(field) != sha256(nonce + data).hex():
                raise Fault("statement.disclosure", seq=content["seq"])
        self.check_snapshots(bundle.snapshots)

    def check_snapshots(self, snapshots):
        policies = {receipt["content"]["policy_hash"] for receipt in self.known.values()}
        named = set(policies)
        try:
            for data in snapshots:
                if sha256(data).hex() in policies:
                    named.update(texts_of(JsonReader(data.decode("utf-8")).document()))
        except (Fault, ValueError):
            raise Fault("statement.snapshot", seq=0) from None
        if any(sha256(data).hex() not in named for data in snapshots):
            raise Fault("statement.snapshot", seq=0)


def verify_bundle(data, pinned=None, trust=None, memory=None, other_genesis=False):
    """Read a bundle and return its verdict."""
    case, fault = Case(pinned, trust, memory, other_genesis), None
    try:
        case.judge(data)
    except Fault as found:
        fault = found
    shown = list(case.known.values())
    asked = {"lifecycle": False, "hmac": False, "witness": trust is not None,
             "memory": case.ambiguous or (memory is not None and memory[0] == case.size)}
    through = case.through if fault is None else None
    said = ["Receipts that were left out are not here: one may have taken a key back, or a memory."]
    return {
        "valid": fault is None, "key_pinned": pinned is not None, "receipts": len(shown),
        "head": {"seq": shown[-1]["content"]["seq"], "entry_hash": shown[-1]["entry_hash"]}
                if shown else None,
        "checks": outcomes(fault, fault and (fault.seq or 0), asked, BUNDLE_CHECKS), "open": [],
        "open_chains": [],
        "anchored_through": through,
        "not_proven": said + not_proven(pinned is not None, through, 0, other_genesis),
    }


def verify_either(stream, pinned=None, master=None, checkpoints=(), trust=None, memory=None,
                  other_genesis=False):
    """A ledger or a bundle, by its first bytes."""
    first = stream.read(LOOK)
    if BUNDLE_START.match(first):
        return verify_bundle(first + stream.read(MAX_BUNDLE + 1), pinned, trust, memory,
                             other_genesis)
    return verify(Resumed(first, stream), pinned, master, checkpoints, trust, memory, other_genesis)


class Resumed:
    """A stream of which the first bytes were read already; a pipe cannot go back."""

    def __init__(self, first, rest):
        self.first, self.rest = io.BytesIO(first), rest

    def readline(self, limit):
        """A line, or as much of one as allowed."""
        line = self.first.readline(limit)
        if line.endswith(b"\n") or len(line) == limit:
            return line
        return line + self.rest.readline(limit - len(line))


def code_and_seq(verdict):
    """The fault of a verdict as (code, seq), or ("valid", None)."""
    failed = [(row["code"], row["seq"]) for row in verdict["checks"] if row["outcome"] == "fail"]
    return failed[0] if failed else ("valid", None)


# ---------------------------------------------------------------- section 15 and the command line

def run_vector(data):
    """Run one vector file; returns (expected, got), each a pair of code and seq."""
    head, _, ledger = data.partition(b"\n\n")
    lines = [line.split(": ", 1) for line in head.decode("utf-8").split("\n")]
    header = dict(lines)
    keys = [bytes.fromhex(header[name]) if name in header else None for name in ("key", "hmac")]
    notes = [strict_base64(value) for name, value in lines if name == "checkpoint"]
    trust = Trust(strict_base64(header["trust"])) if "trust" in header else None
    memory = None
    if "memory" in header:
        size, root = header["memory"].split(" ")
        memory = int(size), bytes.fromhex(root)
    expected = (header["expect"], int(header["seq"]) if "seq" in header else None)
    verdict = verify_either(io.BytesIO(ledger), *keys, notes, trust, memory,
                            "other_genesis" in header)
    unchecked = any("HMAC" in line for line in verdict["not_proven"])
    hmac_asked = any(row["check"] == "hmac" and row["outcome"] != "not_asked"
                     for row in verdict["checks"])
    if unchecked == hmac_asked:
        return expected, ("not_proven is wrong about HMAC tags", None)
    if str(verdict["anchored_through"]) != header.get("anchored_through", "None"):
        return expected, ("anchored through %s" % verdict["anchored_through"], None)
    open_chains = " ".join(str(one["seq"]) for one in verdict["open_chains"])
    if verdict["valid"] and open_chains != header.get("open_chains", ""):
        return expected, ("workflows that have not ended: %s" % open_chains, None)
    return expected, code_and_seq(verdict)


def run_vectors(folder):
    """Run every vector of a folder, print the disagreements, and return the exit code."""
    passed = failed = 0
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".vector"):
            continue
        try:
            with open(os.path.join(folder, name), "rb") as file:
                expected, got = run_vector(file.read())
        except (ValueError, KeyError) as error:
            expected, got = ("a vector file", None), (ascii(error), None)
        if expected == got:
            passed += 1
            continue
        failed += 1
        said = ["%s at seq %s" % pair if pair[1] is not None else pair[0]
                for pair in (expected, got)]
        print("%s: expected %s, got %s" % (name, *said))
    print("vectors: %d passed, %d failed" % (passed, failed))
    return 0 if passed and not failed else 1


def read_public_key(path):
    """The raw bytes of an Ed25519 public key in a PEM file."""
    with open(path, "rb") as file:
        key = serialization.load_pem_public_key(file.read(MAX_LINE))
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("no Ed25519 key")
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def read_master(path):
    """The HMAC master: a file of 32 raw bytes, or of 64 hex digits and perhaps a line end."""
    with open(path, "rb") as file:
        data = file.read(MAX_LINE)
    if len(data) != 32 and re.fullmatch(rb"[0-9a-fA-F]{64}\s*", data):
        data = bytes.fromhex(data.decode().strip())
    if len(data) != 32:
        raise ValueError("the master is not 32 bytes")
    return data


def read_small(path):
    """A file of at most 256 KiB; a byte more is read, so that what is too long is refused."""
    with open(path, "rb") as file:
        return file.read(4 * MAX_LINE + 1)


def print_verdict(verdict):
    """The verdict for people."""
    code, seq = code_and_seq(verdict)
    print("valid" if code == "valid" else "INVALID: %s at seq %d" % (code, seq))
    print("good receipts: %d, key pinned: %s, open intents: %d" % (
        verdict["receipts"], "yes" if verdict["key_pinned"] else "no", len(verdict["open"])))
    if verdict["head"]:
        print("head: seq %(seq)d, entry_hash %(entry_hash)s" % verdict["head"])
    if verdict["anchored_through"] is not None:
        print("anchored through: seq %d" % verdict["anchored_through"])
    for row in verdict["checks"]:
        print("  %-10s  %s" % (row["check"], row["outcome"]))
    for line in verdict["not_proven"]:
        print("not proven: " + line)


def main(arguments=None):
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Check a Cascade receipt ledger.")
    parser.add_argument("file", nargs="?", metavar="FILE", help="the ledger (*.receipts.jsonl)")
    parser.add_argument("--public-key", metavar="F.pem", help="receipt key that genesis must name")
    parser.add_argument("--hmac-key", metavar="F", help="HMAC master: 32 raw bytes or hex")
    parser.add_argument("--checkpoint", metavar="F", action="append", default=[],
                        help="checkpoint note that the ledger must fit; may be repeated")
    parser.add_argument("--trust", metavar="F", help="C2SP tlog-policy: whose cosignatures count")
    parser.add_argument("--json", action="store_true", help="print the verdict as JSON")
    parser.add_argument("--vectors", metavar="DIR", help="run the vector files of a folder instead")
    options = parser.parse_args(arguments)
    if (options.file is None) == (options.vectors is None):
        parser.error("give either FILE or --vectors DIR")
    if options.vectors is not None and (options.public_key or options.hmac_key or options.json
                                        or options.checkpoint or options.trust):
        parser.error("--vectors goes with no other option")
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        if options.vectors is not None:
            return run_vectors(options.vectors)
        pinned = None if options.public_key is None else read_public_key(options.public_key)
        master = None if options.hmac_key is None else read_master(options.hmac_key)
        notes = [read_small(path) for path in options.checkpoint]
        trust = None if options.trust is None else Trust(read_small(options.trust))
        with open(options.file, "rb") as stream:
            verdict = verify_either(stream, pinned, master, notes, trust)
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        print("cannot read: %s" % ascii(str(error)), file=sys.stderr)
        return 1
    except Exception as error:  # pylint: disable=broad-except
        # A mistake in here must be neither a verdict nor a traceback, whatever the input.
        print("cannot check: %s" % ascii(error), file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(verdict))
    else:
        print_verdict(verdict)
    return 0 if verdict["valid"] else 4


if __name__ == "__main__":
    sys.exit(main())
