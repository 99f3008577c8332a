"""What deploy/verify-export accepts and refuses, on exports and proofs that the test makes itself.

Every fault is planted with all else made right around it, so that the check that is meant finds it and
no other. Published vectors: the eight leaves of Certificate Transparency's own tests (RFC 6962), the
signed note of Go's documentation, and a tree head of sum.golang.org.
"""

import base64
import copy
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from exports import (EVENTS, QUERIES, SCRIPT, VERIFIER, Signer, header, record, root_of, synthetic, write)

# Leaves and roots over the first n of them, as the Certificate Transparency repository publishes them.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")]
ROOTS = ("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
         "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
         "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
         "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
         "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
         "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
         "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
         "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328")
# (position, size) and (old, new) with the hashes that the same tests publish for them.
INCLUSION = {
    (0, 8): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (5, 8): ("bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): ("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): ("96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
             "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"),
    (6, 8): ("0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
             "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
             "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (2, 5): ("5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
             "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"),
}

GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = ("If you think cryptography is the answer to your problem,\n"
           "then you don't know what your problem is.\n"
           "\n"
           "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6Ryy"
           "BwJnAM=\n")
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"
SUMDB_HEAD = ("go.sum database tree\n"
              "63096908\n"
              "8lHrQPRYe4KT4WQ9/Qk8/taKnD6IRHbFgfN7vQE2Y54=\n"
              "\n"
              "\u2014 sum.golang.org Az3gri/oVBN1jAhNZ/iS+W31psFAWRT20/GyrhpU6taFwulQGetBkH5S7wpGXdS935jiIGiUUAXBVHzT/P6"
              "fYhqAmAk=\n")


def from_hex(hashes):
    return [bytes.fromhex(text) for text in hashes]


class PublishedTrees(unittest.TestCase):
    def test_roots_over_the_eight_leaves(self):
        tree = VERIFIER.Tree()
        self.assertEqual(tree.root().hex(),
                         "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        for leaf, root in zip(LEAVES, ROOTS):
            tree.add(VERIFIER.leaf_hash(leaf))
            self.assertEqual(tree.root().hex(), root)

    def test_inclusion(self):
        for (position, size), hashes in INCLUSION.items():
            leaf, root = VERIFIER.leaf_hash(LEAVES[position]), bytes.fromhex(ROOTS[size - 1])
            self.assertEqual(VERIFIER.root_from_inclusion(position, size, leaf, from_hex(hashes)), root)
            for wrong in (hashes[:-1], (*hashes, hashes[0]), hashes[::-1] if len(hashes) > 1 else ()):
                self.assertNotEqual(
                    VERIFIER.root_from_inclusion(position, size, leaf, from_hex(wrong)), root)
            self.assertNotEqual(
                VERIFIER.root_from_inclusion(position - 1, size, leaf, from_hex(hashes)), root)
        self.assertIsNone(VERIFIER.root_from_inclusion(8, 8, b"", []))

    def test_consistency(self):
        for (old, new), hashes in CONSISTENCY.items():
            roots = bytes.fromhex(ROOTS[old - 1]), bytes.fromhex(ROOTS[new - 1])
            self.assertEqual(VERIFIER.roots_from_consistency(old, new, roots[0], from_hex(hashes)), roots)
            if hashes:
                for wrong in (hashes[:-1], (*hashes, hashes[0]), hashes[::-1]):
                    self.assertNotEqual(
                        VERIFIER.roots_from_consistency(old, new, roots[0], from_hex(wrong)), roots)
        self.assertIsNone(VERIFIER.roots_from_consistency(0, 8, b"", []))
        self.assertIsNone(VERIFIER.roots_from_consistency(8, 7, b"", []))


class PublishedNotes(unittest.TestCase):
    def test_go_s_note(self):
        key = VERIFIER.VerifierKey(GO_KEY)
        self.assertEqual(VERIFIER.verified_text(GO_NOTE, key), GO_NOTE.split("\n\n")[0] + "\n")
        with self.assertRaisesRegex(ValueError, "signature of PeterNeumann is wrong"):
            VERIFIER.verified_text(GO_NOTE.replace("answer", "question"), key)

    def test_a_tree_head_of_sum_golang_org(self):
        key = VERIFIER.VerifierKey(SUMDB_KEY)
        self.assertIn("63096908", VERIFIER.verified_text(SUMDB_HEAD, key))
        with self.assertRaisesRegex(ValueError, "is wrong"):
            VERIFIER.verified_text(SUMDB_HEAD.replace("63096908", "63096909"), key)
        with self.assertRaisesRegex(ValueError, "no signature by the key PeterNeumann"):
            VERIFIER.verified_text(SUMDB_HEAD, VERIFIER.VerifierKey(GO_KEY))

    def test_a_key_that_is_not_one(self):
        for text in ("", "name", "name+12345678", GO_KEY.replace("c74f", "c74e"),
                     GO_KEY.replace("PeterNeumann", "Peter"), GO_KEY.replace("+AR", "+Aj"),
                     GO_KEY[:-4], GO_KEY + "*"):
            with self.assertRaises(ValueError, msg=text):
                VERIFIER.VerifierKey(text)

    def test_a_note_of_several_signers(self):
        signer, other = Signer(), Signer("someone.else", b"another key, for tests only too.")
        note = signer.note(1, bytes(32))
        both = note.replace("\n\u2014", "\n" + other.note(1, bytes(32)).split("\n\n")[1] + "\u2014", 1)
        self.assertEqual(both.count("\u2014"), 2)
        VERIFIER.verified_text(both, VERIFIER.VerifierKey(signer.verifier))


def reversal(position, reversed_position, original):
    """An event that reverses `original`."""
    event = EVENTS.Event()
    event.CopyFrom(original)
    event.recorded_time_us += position
    event.request_id = f"reversal-{position}"
    event.reversed.reversed_position = reversed_position
    event.reversed.original.CopyFrom(original)
    return event


class Log(unittest.TestCase):
    """30 events and the reversal of the last."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="denier-audit-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.signer = Signer()
        self.events = list(synthetic(30))
        self.events.append(reversal(30, 29, self.events[29]))
        self.records = [record(*numbered) for numbered in enumerate(self.events)]

    def run_script(self, *arguments, key=None):
        return subprocess.run([SCRIPT, *arguments, "--key", key or self.signer.verifier],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                              check=False)

    def verify(self, *arguments, head=None, key=None, records=None):
        records = self.records if records is None else records
        path = self.folder / "export.jsonl"
        write(path, head or header(records, self.signer), records)
        return self.run_script(path, *arguments, key=key)

    def refuses(self, check, position, done, why=""):
        """The run failed on that check, at that position, and says so."""
        at = f" at position {position}:" if position is not None else ""
        self.assertEqual(done.returncode, 1, done.stdout + done.stderr)
        failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
        self.assertEqual(len(failed), 1, done.stdout)
        self.assertRegex(failed[0], rf"^FAILED  {check} +{at.strip()}.*{why}")
        self.assertIn(f"FAILED: {check}", done.stderr)


class Export(Log):
    """Each test spoils one thing."""

    def changed(self, position, change):
        """The records with an event changed, and all that is computed from it made right again."""
        event = EVENTS.Event()
        event.CopyFrom(self.events[position])
        change(event)
        return [*self.records[:position], record(position, event), *self.records[position + 1:]]

    def test_a_whole_one_passes(self):
        done = self.verify("--table")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("FAILED", done.stdout)
        self.assertNotIn("not finished", done.stdout)
        for check in VERIFIER.EXPORT_CHECKS:
            self.assertIn(f"ok      {check} ", done.stdout)
        self.assertIn(root_of(self.records).hex(), done.stdout)

    def test_the_key_may_be_in_a_file(self):
        path = self.folder / "key"
        path.write_text(self.signer.verifier + "\n")
        self.assertEqual(self.verify(key=str(path)).returncode, 0)

    def test_flipped_byte_in_stored(self):
        stored = bytearray(base64.b64decode(self.records[7]["stored"]))
        stored[20] ^= 1
        self.records[7]["stored"] = base64.b64encode(stored).decode()
        self.refuses("leaf hashes", 7, self.verify())

    def test_changed_leaf_hash(self):
        head = header(self.records, self.signer)
        self.records[7]["leaf_hash"] = self.records[8]["leaf_hash"]
        self.refuses("leaf hashes", 7, self.verify(head=head))

    def test_flipped_byte_with_its_leaf_hash_made_right(self):
        head = header(self.records, self.signer)
        records = self.changed(7, lambda event: setattr(event.paid, "net_cents", 601))
        self.refuses("checkpoints", 30, self.verify(head=head, records=records))
        head["checkpoint"] = self.signer.note(31, root_of(records))
        self.refuses("root", 30, self.verify(head=head, records=records))

    def test_swapped_events(self):
        self.records[7], self.records[8] = self.records[8], self.records[7]
        self.refuses("positions", 7, self.verify())

    def test_swapped_events_with_their_positions_made_right(self):
        head = header(self.records, self.signer)
        self.records[7], self.records[8] = record(7, self.events[8]), record(8, self.events[7])
        self.refuses("recorded times", 8, self.verify(head=head))
        for event in self.events:
            event.recorded_time_us = 1
        head = header([record(*numbered) for numbered in enumerate(self.events)], self.signer)
        self.events[29:] = [self.events[29], reversal(30, 29, self.events[29])]
        self.events[7], self.events[8] = self.events[8], self.events[7]
        self.refuses("checkpoints", 30, self.verify(
            head=head, records=[record(*numbered) for numbered in enumerate(self.events)]))

    def test_removed_event(self):
        head = header(self.records, self.signer)
        self.refuses("positions", 7, self.verify(head=head, records=self.records[:7] + self.records[8:]))

    def test_removed_last_event(self):
        head = header(self.records, self.signer)
        self.refuses("size", 30, self.verify(head=head, records=self.records[:-1]))

    def test_file_cut_within_a_line(self):
        path = self.folder / "cut.jsonl"
        write(path, header(self.records, self.signer), self.records)
        path.write_bytes(path.read_bytes()[:-10])
        self.refuses("whole lines", 30, self.run_script(path))

    def test_added_event(self):
        head = header(self.records, self.signer)
        self.records.append(record(31, reversal(31, 28, self.events[28])))
        self.refuses("size", 31, self.verify(head=head))

    def test_changed_json(self):
        self.records[7]["event"]["paid"]["net_cents"] = "601"
        self.refuses("JSON", 7, self.verify(), "event.paid.net_cents is '601', stored is '600'")

    def test_json_with_a_second_value_under_a_name(self):
        path = self.folder / "twice.jsonl"
        write(path, header(self.records, self.signer), self.records)
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace('"net_cents":"600"', '"net_cents":"900","net_cents":"600"', 1),
                        encoding="utf-8")
        self.refuses("whole lines", 4, self.run_script(path), "twice")

    def test_json_that_spells_the_same_message_otherwise(self):
        self.records[7]["event"]["paid"].update(net_cents=600, recovered_cents="0")
        self.assertEqual(self.verify().returncode, 0)

    def test_unknown_field_in_stored(self):
        stored = self.events[7].SerializeToString() + b"\xf8\x3f\x01"  # field 1023, a varint
        self.records[7] = record(7, self.events[7], stored)
        self.refuses("unknown fields", 7, self.verify())

    def test_bytes_that_are_no_event(self):
        self.records[7] = record(7, self.events[7], b"\xff\xff\xff")
        self.refuses("decoding", 7, self.verify())
        self.records[7] = record(7, EVENTS.Event(recorded_time_us=1 << 51))
        self.refuses("decoding", 7, self.verify(), "no fact")

    def test_a_version_from_the_future(self):
        records = self.changed(7, lambda event: setattr(event, "version", 99))
        self.refuses("decoding", 7, self.verify(records=records), "version 99")

    def test_a_newer_correction_without_its_product(self):
        def change(event):
            event.version = 1
            event.opening_corrected.product_unstated = True
        self.refuses("decoding", 7, self.verify(records=self.changed(7, change)), "its product")

    def test_recorded_time_that_decreases(self):
        records = self.changed(7, lambda event: setattr(event, "recorded_time_us", 5))
        self.refuses("recorded times", 7, self.verify(records=records))

    def test_request_id_that_stands_twice(self):
        records = self.changed(7, lambda event: setattr(event, "request_id", "request-3"))
        self.refuses("request ids", 7, self.verify(records=records), "request-3 of DINUM")

    def test_request_id_of_another_body(self):
        def change(event):
            event.request_id, event.actor.body_id = "request-3", "DJEPVA"
        self.assertEqual(self.verify(records=self.changed(7, change)).returncode, 0)

    def test_reversal_of_what_does_not_stand_there(self):
        def change(event):
            event.reversed.original.credits_allocated.ae_cents += 1
        self.refuses("reversals", 30, self.verify(records=self.changed(30, change)), "not the entry 29")
        self.refuses("reversals", 30, self.verify(records=self.changed(
            30, lambda event: setattr(event.reversed, "reversed_position", 30))))

    def test_entry_reversed_twice(self):
        self.records.append(record(31, reversal(31, 29, self.events[29])))
        self.refuses("reversals", 31, self.verify())

    def test_wrong_key(self):
        other = Signer(seed=b"another key, for tests only too.")
        self.refuses("signature", None, self.verify(key=other.verifier), "no signature by the key")

    def test_the_key_in_the_export_is_not_believed(self):
        forger = Signer(seed=b"another key, for tests only too.")
        self.refuses("signature", None, self.verify(head=header(self.records, forger)))

    def test_tampered_note(self):
        head = header(self.records, self.signer)
        head["checkpoint"] = head["checkpoint"].replace("\n31\n", "\n30\n")
        self.refuses("signature", None, self.verify(head=head), "is wrong")

    def test_note_of_another_log(self):
        head = header(self.records, self.signer)
        root = bytes.fromhex(head["root"])
        text = f"another/log\n31\n{base64.b64encode(root).decode()}\n"
        signature = self.signer.hash + self.signer.key.sign(text.encode()).signature
        head["checkpoint"] = (f"{text}\n\u2014 {self.signer.name} "
                              f"{base64.b64encode(signature).decode()}\n")
        self.refuses("signature", None, self.verify(head=head), "about the log another/log")

    def test_note_over_another_root(self):
        head = header(self.records, self.signer)
        head["checkpoint"] = self.signer.note(31, bytes(32))
        self.refuses("checkpoints", 30, self.verify(head=head))

    def test_root_in_the_header(self):
        head = header(self.records, self.signer)
        head["root"] = "00" * 32
        self.refuses("root", 30, self.verify(head=head))

    def test_partial_and_unknown_forms(self):
        for change in ({"partial": True}, {"denier_export": 2}, {"size": "31"}, {"root": None}):
            self.refuses("header", None, self.verify(head={**header(self.records, self.signer), **change}))

    def test_no_checkpoint_at_all(self):
        head = {**header(self.records, self.signer), "checkpoint": ""}
        self.refuses("signature", None, self.verify(head=head), "no checkpoint")
        note = self.folder / "note"
        note.write_text(self.signer.note(31, root_of(self.records)), encoding="utf-8")
        self.assertEqual(self.verify("--checkpoint", note, head=head).returncode, 0)

    def test_history_rewritten_and_signed_again_after_a_checkpoint_was_kept(self):
        kept = self.folder / "kept"
        kept.write_text(self.signer.note(20, root_of(self.records[:20])), encoding="utf-8")
        self.assertEqual(self.verify("--checkpoint", kept).returncode, 0)
        records = self.changed(7, lambda event: setattr(event.paid, "net_cents", 601))
        self.assertEqual(self.verify(records=records).returncode, 0)
        self.refuses("checkpoints", 19, self.verify("--checkpoint", kept, records=records))

    def test_older_log_than_a_checkpoint_that_was_kept(self):
        kept = self.folder / "kept"
        kept.write_text(self.signer.note(31, root_of(self.records)), encoding="utf-8")
        self.refuses("checkpoints", 20, self.verify("--checkpoint", kept, records=self.records[:20]),
                     "older log")

    def test_a_cent_more_in_an_event_is_a_cent_more_in_the_table(self):
        def total(records):
            done = self.verify("--json", records=records)
            self.assertEqual(done.returncode, 0, done.stderr)
            row, = json.loads(done.stdout)["agreements"]["synthetic"]["totals"]
            return int(row["cp_paid"].replace(".", ""))
        changed = self.changed(7, lambda event: setattr(event.paid, "net_cents", 601))
        self.assertEqual(total(changed), total(self.records) + 1)

    def test_every_column_of_an_execution_row_is_there(self):
        row, = json.loads(self.verify("--json").stdout)["agreements"]["synthetic"]["totals"]
        self.assertEqual(list(row), [field.name for field in QUERIES.ExecutionRow.DESCRIPTOR.fields])

    def test_wrong_usage(self):
        for arguments in ([], ["nowhere.jsonl"], ["a", "--proof", "b"], ["a", "--checkpoint", "nowhere"]):
            done = self.run_script(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertIn("verify-export:", done.stderr)
        self.assertEqual(self.verify(key="not-a-key").returncode, 2)
        self.assertEqual(self.verify("--table", "--agreement", "unknown").returncode, 2)

    def test_what_is_not_installed_is_named(self):
        hidden = self.folder / "bin"
        hidden.mkdir()
        write(self.folder / "export.jsonl", header(self.records, self.signer), self.records)
        done = subprocess.run([SCRIPT, self.folder / "export.jsonl", "--key", self.signer.verifier],
                              env={**os.environ, "PATH": str(hidden)}, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 2, done.stdout)
        self.assertIn("install protobuf-compiler", done.stderr)
        for module, package in (("nacl", "python3-nacl"), ("google.protobuf", "python3-protobuf")):
            (hidden / "sitecustomize.py").write_text(f"import sys\nsys.modules[{module!r}] = None\n")
            done = subprocess.run([SCRIPT, self.folder / "export.jsonl", "--key", self.signer.verifier],
                                  env={**os.environ, "PYTHONPATH": str(hidden)},
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
                                  check=False)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertIn(f"install {package}", done.stderr)


class Proof(Log):
    """The same log; proofs about it in the form of protobuf's JSON."""

    def setUp(self):
        super().setUp()
        self.leaves = [bytes.fromhex(line["leaf_hash"]) for line in self.records]
        self.older, self.newer = self.folder / "older", self.folder / "newer"
        self.older.write_text(self.signer.note(20, root_of(self.records[:20])), encoding="utf-8")
        self.newer.write_text(self.signer.note(31, root_of(self.records)), encoding="utf-8")

    def root(self, leaves):
        tree = VERIFIER.Tree()
        for leaf in leaves:
            tree.add(leaf)
        return tree.root()

    def path(self, position, leaves):
        """RFC 6962, section 2.1.1, word for word."""
        if len(leaves) == 1:
            return []
        k = 1 << (len(leaves) - 1).bit_length() - 1
        if position < k:
            return self.path(position, leaves[:k]) + [self.root(leaves[k:])]
        return self.path(position - k, leaves[k:]) + [self.root(leaves[:k])]

    def between(self, old, leaves, whole=True):
        """RFC 6962, section 2.1.2, word for word."""
        if old == len(leaves):
            return [] if whole else [self.root(leaves)]
        k = 1 << (len(leaves) - 1).bit_length() - 1
        if old <= k:
            return self.between(old, leaves[:k], whole) + [self.root(leaves[k:])]
        return self.between(old - k, leaves[k:], False) + [self.root(leaves[:k])]

    def inclusion(self, position):
        return {"position": str(position), "size": "31", "leaf_hash": self.text(self.leaves[position]),
                "hashes": [self.text(part) for part in self.path(position, self.leaves)],
                "root": self.text(self.root(self.leaves))}

    def consistency(self):
        return {"old_size": "20", "new_size": "31",
                "hashes": [self.text(part) for part in self.between(20, self.leaves)],
                "old_root": self.text(self.root(self.leaves[:20])),
                "new_root": self.text(self.root(self.leaves))}

    def text(self, digest):
        return base64.b64encode(digest).decode()

    def prove(self, proof, *notes):
        path = self.folder / "proof.json"
        path.write_text(json.dumps(proof))
        notes = notes or (self.older, self.newer)
        return self.run_script("--proof", path, *(word for note in notes for word in ("--checkpoint", note)))

    def test_every_size_and_place(self):
        for size in range(1, 32):
            leaves = self.leaves[:size]
            for position in range(size):
                self.assertEqual(VERIFIER.root_from_inclusion(
                    position, size, leaves[position], self.path(position, leaves)), self.root(leaves))
            for old in range(1, size + 1):
                roots = self.root(leaves[:old]), self.root(leaves)
                self.assertEqual(VERIFIER.roots_from_consistency(
                    old, size, roots[0], self.between(old, leaves)), roots)

    def test_inclusion_passes(self):
        for position in (0, 7, 30):
            done = self.prove(self.inclusion(position))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertIn(f"position {position} of 31", done.stdout)

    def test_inclusion_of_another_leaf_place_or_path(self):
        for change in ({"leaf_hash": self.text(self.leaves[8])}, {"position": "8"},
                       {"hashes": self.inclusion(8)["hashes"]}, {"hashes": []}):
            self.refuses("proof", None, self.prove({**self.inclusion(7), **change}))

    def test_inclusion_in_a_log_that_was_not_signed(self):
        self.leaves[8] = bytes(32)
        self.refuses("checkpoints", None, self.prove(self.inclusion(7)), "another root")
        self.leaves = self.leaves[:20]
        self.refuses("checkpoints", None, self.prove(
            {**self.inclusion(7), "size": "20"}, self.newer), "no checkpoint over 20")

    def test_consistency_passes(self):
        done = self.prove(self.consistency())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("the log of 31 events begins with that of 20", done.stdout)

    def test_consistency_of_other_logs(self):
        proof = self.consistency()
        for change in ({"old_size": "19"}, {"hashes": proof["hashes"][1:]},
                       {"old_root": self.text(bytes(32))}):
            self.refuses("proof", None, self.prove({**proof, **change}))
        self.refuses("checkpoints", None, self.prove(proof, self.newer), "no checkpoint over 20")
        self.leaves[3] = bytes(32)
        self.refuses("checkpoints", None, self.prove(self.consistency()), "another root")

    def test_hexadecimal_and_protobuf_s_own_names_are_read_too(self):
        proof = copy.deepcopy(self.inclusion(0))
        proof["leafHash"] = base64.b64decode(proof.pop("leaf_hash")).hex()
        del proof["position"]  # Protobuf's JSON leaves a zero out.
        self.assertEqual(self.prove(proof).returncode, 0)


if __name__ == "__main__":
    unittest.main()
