"""Exports that a test makes itself: the form that `denier export jsonl` writes, with a key of its own.

`python3 exports.py COUNT EXPORT` writes a synthetic one of COUNT events and prints its verifier key.
"""

import base64
import hashlib
import importlib.machinery
import importlib.util
import json
import sys
from pathlib import Path

from nacl.signing import SigningKey

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "verify-export"


def load_script():
    """deploy/verify-export as a module."""
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("verify_export", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


VERIFIER = load_script()
EVENTS, QUERIES = VERIFIER.load_messages()


class Signer:
    """Signs checkpoints as a log named `name` does."""

    def __init__(self, name="denier.test/log", seed=b"a key for tests only, 32 bytes.."):
        self.name, self.key = name, SigningKey(seed)
        public = b"\x01" + bytes(self.key.verify_key)
        self.hash = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
        self.verifier = f"{name}+{self.hash.hex()}+{base64.b64encode(public).decode()}"

    def note(self, size, root):
        text = f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(self.hash + self.key.sign(text.encode()).signature).decode()
        return f"{text}\n\u2014 {self.name} {signature}\n"


def record(position, event, stored=None):
    """One line of an export, as a dict."""
    stored = event.SerializeToString() if stored is None else stored
    return {"position": position, "leaf_hash": VERIFIER.leaf_hash(stored).hex(),
            "event": VERIFIER.as_json(event), "stored": base64.b64encode(stored).decode()}


def root_of(records):
    tree = VERIFIER.Tree()
    for line in records:
        tree.add(bytes.fromhex(line["leaf_hash"]))
    return tree.root()


def header(records, signer):
    root = root_of(records)
    return {"denier_export": 1, "size": len(records), "root": root.hex(),
            "checkpoint": signer.note(len(records), root), "verifier_key": signer.verifier,
            "partial": False}


def write(path, head, records):
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for line in (head, *records):
            file.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n")


def synthetic(count, agreement="synthetic"):
    """`count` events, at least 3, of a simple history: what a big export is made of."""
    for position in range(count):
        event = EVENTS.Event(
            recorded_time_us=1_600_000_000_000_000 + position, agreement_id=agreement,
            fiscal_year=2021 + position % 3, request_id=f"request-{position}",
            request_sha256=hashlib.sha256(str(position).encode()).digest())
        event.effective_date = event.fiscal_year * 10000 + 115
        event.actor.principal_id, event.actor.body_id = "officer-1", "DINUM"
        event.actor.roles.append(2)
        if position == 0:
            event.agreement_created.delegating_body.body_id = "DJEPVA"
            event.agreement_created.managing_body.body_id = "DINUM"
        elif position == 1:
            event.envelope_created.envelope_id = "e"
            event.envelope_created.managing_body_id = "DINUM"
        elif position % 3 == 2:
            fact = event.credits_allocated
            fact.envelope_id, fact.ae_cents, fact.cp_cents = "e", 1000 + position, 2000
            fact.source, fact.act_reference = 1, "ACT-1"
        elif position % 3 == 0:
            fact = event.engaged
            fact.commitment_id, fact.envelope_id = f"EJ-{position}", "e"
            fact.lines.add(line_id="1", product_id="snu", amount_cents=700)
            fact.opens_commitment = True
            fact.references.contract = "MARCHE-1"
        else:
            fact = event.paid
            fact.payment_request_id, fact.commitment_id = f"DP-{position}", f"EJ-{position - 1}"
            fact.line_id, fact.line_envelope_id, fact.paying_envelope_id = "1", "e", "e"
            fact.origin_year, fact.type, fact.gross_cents, fact.net_cents = 2021, 1, 600, 600
        yield event


def main(count, path):
    signer, tree = Signer(), VERIFIER.Tree()
    lines = path + ".lines"
    with open(lines, "w", encoding="utf-8", newline="\n") as file:
        for position, event in enumerate(synthetic(count)):
            line = record(position, event)
            tree.add(bytes.fromhex(line["leaf_hash"]))
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    head = {"denier_export": 1, "size": count, "root": tree.root().hex(),
            "checkpoint": signer.note(count, tree.root()), "verifier_key": signer.verifier,
            "partial": False}
    with open(path, "w", encoding="utf-8", newline="\n") as file, open(lines, encoding="utf-8") as body:
        file.write(json.dumps(head, ensure_ascii=False) + "\n")
        for line in body:
            file.write(line)
    Path(lines).unlink()
    print(signer.verifier)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
