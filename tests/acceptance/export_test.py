"""Exports, read back by programs that are not ours: hledger, ledger, beancount, csv, openpyxl, hashlib.

The history of the source document and a simulated one; the programs' folder is the first argument.
Runs under Debian's python3, for the modules.
"""
import base64
import collections
import csv
import datetime
import hashlib
import io
import json
import os
import re
import subprocess
import unittest
import zipfile
from decimal import Decimal
from pathlib import Path

import openpyxl

from acceptance_test import BIN, Server, history

CENT = Decimal("0.01")
FORMATS = ("hledger", "ledger", "beancount", "csv", "xlsx", "jsonl")
OFFICER = "dinum-officer-1@DINUM:authorising_officer"


class SigningServer(Server):
    """A server that signs checkpoints, with the document's history or a simulated one."""

    def __init__(self, lines=None, simulated=None, signs=True, key=None):
        self.signs, self.given_key, self.simulated = signs, key, simulated
        super().__init__()
        if lines is not None:
            self.apply(lines)

    def start(self, *more):
        self.key = self.given_key or os.path.join(self.folder, "key.pem")
        if not os.path.exists(self.key):
            subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", self.key],
                           check=True, capture_output=True)
        if self.simulated is not None and "--init" in more:
            subprocess.run([BIN / "tests" / "simulated_log", self.data, *map(str, self.simulated)],
                           check=True, stdout=subprocess.DEVNULL)
            more = ()
        if self.signs:
            more = (*more, "--checkpoint-key", self.key)
        super().start(*more)

    def path(self, name):
        return os.path.join(self.folder, name)

    def export(self, kind, name="out", *options, principal=None, env=None):
        out = self.path(name)
        arguments = [BIN / "denier", "--server", self.address, "export", kind, "--out", out, *options]
        if principal:
            arguments += ["--as", principal]
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=300, check=False, env={**os.environ, **(env or {})})
        if done.returncode != 0:
            raise Refused(done.returncode, done.stderr)
        self.said = done.stderr
        return Path(out)

    def checkpoint(self, size):
        header = json.loads(self.export("jsonl", "checkpoint.jsonl", "--as-of", str(size - 1))
                            .read_text(encoding="utf-8").splitlines()[0])
        return header["checkpoint"], header["verifier_key"]


class Refused(Exception):
    pass


# --- What the server says.

Account = collections.namedtuple("Account", "ledger planned envelope year name")


def trial_balance(server, agreement, *options):
    rows = server.csv("report", "trial-balance", "--agreement", agreement, *options)
    return {Account(row["ledger"], row["planned"] == "true", row["envelope_id"],
                    int(row["fiscal_year"]), row["account"]): Decimal(row["balance"])
            for row in rows}


# --- The names of accounts, as export_journal.h says them.

def plain_text_name(agreement, account):
    tree = ("PLANNED-" if account.planned else "") + account.ledger
    ids = [part.replace(":", "%3A") for part in (agreement, account.envelope)]
    return ":".join([tree, *ids, str(account.year), account.name])


def beancount_name(agreement, account):
    def escaped(text):
        text = re.sub("-(?=-)", "--2D", text)
        return re.sub("[._:]", lambda m: f"--{ord(m.group()):02X}", text)
    tree = ("PLANNED-" if account.planned else "") + account.ledger
    return ":".join([tree, "A-" + escaped(agreement), "E-" + escaped(account.envelope),
                     str(account.year), account.name.replace("_", "-").capitalize()])


NAMES = {"hledger": plain_text_name, "ledger": plain_text_name, "beancount": beancount_name}


# --- What the tools say of a journal.

def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=300, check=False, env={**os.environ, "LC_ALL": "C.UTF-8"})


STRICT = {
    "hledger": lambda path: run("hledger", "-f", path, "check", "--strict"),
    "ledger": lambda path: run("ledger", "--args-only", "-f", path, "--strict", "--pedantic",
                               "balance", "^NONE$"),
    "beancount": lambda path: run("bean-check", path),
}


def cents(text):
    amount = Decimal(text.replace("EUR", "").strip())
    if amount != amount.quantize(CENT):
        raise AssertionError(f"{text}: not whole cents")
    return amount


def hledger_balances(path):
    done = run("hledger", "-f", path, "balance", "--flat", "--no-total", "-O", "csv")
    rows = csv.DictReader(io.StringIO(done.stdout))
    return done, {row["account"]: cents(row["balance"]) for row in rows}


def ledger_balances(path):
    done = run("ledger", "--args-only", "-f", path, "balance", "--flat", "--no-total",
               "--balance-format", "%(account)|%(quantity(scrub(display_total)))\n")
    return done, {account: cents(amount) for account, amount in
                  (line.split("|") for line in done.stdout.splitlines() if line)}


def beancount_balances(path):
    done = run("bean-query", "-f", "csv", path,
               "SELECT account, sum(number) AS total GROUP BY account")
    rows = csv.DictReader(io.StringIO(done.stdout))
    return done, {row["account"].strip(): cents(row["total"]) for row in rows}


BALANCES = {"hledger": hledger_balances, "ledger": ledger_balances,
            "beancount": beancount_balances}


def tool_balances(kind, path):
    done, balances = BALANCES[kind](path)
    if done.returncode != 0:
        raise Refused(done.returncode, done.stderr)
    return {account: amount for account, amount in balances.items() if amount}


def move_a_cent(text, legs):
    """The journal with `legs` of one transaction a cent off."""
    lines, changed = text.split("\n"), 0
    for number, line in enumerate(lines):
        match = re.fullmatch(r"( +\S+  )(-?\d+\.\d\d)( EUR)", line)
        if match and changed < legs:
            step = CENT if Decimal(match.group(2)) > 0 else -CENT
            lines[number] = f"{match.group(1)}{Decimal(match.group(2)) + step}{match.group(3)}"
            changed += 1
    return "\n".join(lines)


class OfAHistory:
    """Every test with the document's history, and with a simulated one."""

    agreements = ()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    # --- Journals.

    def expected(self, kind):
        return {NAMES[kind](agreement, account): amount for agreement in self.agreements
                for account, amount in trial_balance(self.server, agreement).items()}

    def test_the_tools_balances_are_the_trial_balance(self):
        for kind in BALANCES:
            with self.subTest(kind):
                path = self.server.export(kind, "journal." + kind)
                expected = self.expected(kind)
                self.assertGreater(len(expected), 20)
                self.assertEqual(tool_balances(kind, path), expected)

    def test_no_tree_of_a_journal_is_netted_with_another(self):
        for kind in BALANCES:
            with self.subTest(kind):
                path = self.server.export(kind, "journal." + kind)
                trees = collections.Counter()
                for account, amount in tool_balances(kind, path).items():
                    trees[account.split(":")[0]] += amount
                self.assertLessEqual({"AE", "CP", "OUTSTANDING"}, set(trees))
                self.assertEqual(set(trees.values()), {Decimal(0)})

    def test_the_tools_strict_checks_pass(self):
        for kind, check in STRICT.items():
            with self.subTest(kind):
                done = check(self.server.export(kind, "journal." + kind))
                self.assertEqual((done.returncode, done.stdout.strip(), done.stderr.strip()),
                                 (0, "", ""))

    def test_one_cent_in_a_journal_turns_it_red(self):
        for kind in BALANCES:
            with self.subTest(kind):
                path = self.server.export(kind, "journal." + kind)
                text, expected = path.read_text(encoding="utf-8"), self.expected(kind)
                path.write_text(move_a_cent(text, legs=1), encoding="utf-8")
                self.assertNotEqual(STRICT[kind](path).returncode, 0)
                # Both legs: the tool has nothing to say, the comparison has.
                path.write_text(move_a_cent(text, legs=2), encoding="utf-8")
                self.assertEqual(STRICT[kind](path).returncode, 0)
                self.assertNotEqual(tool_balances(kind, path), expected)

    # --- Csv.

    def sums_by_account(self, rows):
        sums = collections.Counter()
        for row in rows:
            sums[row["agreement_id"], Account(row["ledger"], row["basis"] == "planned",
                                              row["envelope_id"], int(row["fiscal_year"]),
                                              row["account"])] += Decimal(row["amount"])
        return {key: amount for key, amount in sums.items() if amount}

    def test_csv_by_rfc_4180_adds_up_to_the_trial_balance(self):
        text = self.server.export("csv", "out.csv", "--dialect", "rfc4180").read_bytes()
        self.assertTrue(text.startswith(b"position,"))
        self.assertEqual(text.count(b"\n"), text.count(b"\r\n"))
        self.assertTrue(text.endswith(b"\r\n"))
        rows = list(csv.DictReader(io.StringIO(text.decode("utf-8"), newline=""), strict=True))
        self.assertEqual(self.sums_by_account(rows), {
            (agreement, account): amount for agreement in self.agreements
            for account, amount in trial_balance(self.server, agreement).items()})
        for row in rows:
            datetime.date.fromisoformat(row["effective_date"])

    def test_csv_for_a_french_office_says_the_same_in_french(self):
        plain = list(csv.DictReader(io.StringIO(
            self.server.export("csv", "out.csv", "--dialect", "rfc4180").read_text("utf-8"))))
        text = self.server.export("csv", "out.csv").read_bytes()
        self.assertTrue(text.startswith(b"\xef\xbb\xbfPosition;"))
        self.assertEqual(text.count(b"\n"), text.count(b"\r\n"))
        rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"), newline=""),
                                   delimiter=";", strict=True))
        self.assertEqual(len(rows), len(plain))
        for row, other in zip(rows, plain):
            self.assertRegex(row["Montant"], r"^-?\d+,\d\d$")
            self.assertEqual(Decimal(row["Montant"].replace(",", ".")), Decimal(other["amount"]))
            self.assertEqual(datetime.datetime.strptime(row["Date d'effet"], "%d/%m/%Y").date(),
                             datetime.date.fromisoformat(other["effective_date"]))
            self.assertEqual(row["Enveloppe"], other["envelope_id"])
        words = collections.defaultdict(set)
        for row, other in zip(rows, plain):
            words[other["account"]].add(row["Compte"])
        self.assertEqual({len(all_words) for all_words in words.values()}, {1})
        self.assertEqual(words["available"], {"disponible"})

    def test_the_note_beside_a_csv_names_its_checkpoint_and_its_bytes(self):
        path = self.server.export("csv", "out.csv")
        note = Path(str(path) + ".provenance.txt").read_text(encoding="utf-8")
        header = self.jsonl()[0]
        self.assertIn(f"sha256: {hashlib.sha256(path.read_bytes()).hexdigest()}\n", note)
        self.assertIn(f"racine: {header['root']}\n", note)
        self.assertIn(f"écritures: {header['size']}\n", note)
        self.assertTrue(note.endswith("\n\n" + header["checkpoint"]))

    # --- Jsonl.

    def jsonl(self, *options):
        lines = self.server.export("jsonl", "out.jsonl", *options).read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines]

    def test_jsonl_is_the_tree_of_its_checkpoint(self):
        header, *events = self.jsonl()
        self.assertEqual((header["denier_export"], header["partial"]), (1, False))
        self.assertEqual(header["size"], self.server.head() + 1)
        self.assertEqual([event["position"] for event in events], list(range(header["size"])))
        leaves = [hashlib.sha256(b"\0" + base64.b64decode(event["stored"])).digest()
                  for event in events]
        self.assertEqual([leaf.hex() for leaf in leaves],
                         [event["leaf_hash"] for event in events])
        self.assertEqual(tree(leaves).hex(), header["root"])
        _, size, root, *_ = header["checkpoint"].split("\n")
        self.assertEqual((int(size), base64.b64decode(root).hex()),
                         (header["size"], header["root"]))

    def test_a_flipped_bit_or_a_swapped_event_is_another_tree(self):
        header, *events = self.jsonl()
        leaves = [hashlib.sha256(b"\0" + base64.b64decode(event["stored"])).digest()
                  for event in events]
        stored = bytearray(base64.b64decode(events[5]["stored"]))
        stored[3] ^= 1
        flipped = leaves[:5] + [hashlib.sha256(b"\0" + stored).digest()] + leaves[6:]
        swapped = leaves[:5] + [leaves[6], leaves[5]] + leaves[7:]
        for other in (flipped, swapped, leaves[:5] + leaves[6:]):
            self.assertNotEqual(tree(other).hex(), header["root"])

    # --- Xlsx.

    def test_the_workbook_has_numbers_and_dates_that_add_up(self):
        path = self.server.export("xlsx", "out.xlsx")
        book = openpyxl.load_workbook(path)
        self.assertEqual(book.sheetnames, ["Export", "Exécution annuelle", "Écritures", "Mouvements"])
        header = self.jsonl()[0]
        cover = [cell for row in book["Export"].iter_rows(values_only=True) for cell in row if cell]
        self.assertIn(header["root"], cover)
        self.assertIn(header["checkpoint"].rstrip("\n"), cover)
        self.assertIn(header["verifier_key"], cover)

        sheet = book["Mouvements"]
        self.assertEqual(sheet.freeze_panes, "B2")
        headings = [cell.value for cell in sheet[1]]
        self.assertEqual(sheet.auto_filter.ref, f"A1:{sheet.cell(1, len(headings)).column_letter}"
                                                f"{sheet.max_row}")
        plain = list(csv.DictReader(io.StringIO(
            self.server.export("csv", "out.csv", "--dialect", "rfc4180").read_text("utf-8"))))
        rows = [dict(zip(headings, row)) for row in sheet.iter_rows(min_row=2)]
        self.assertEqual(len(rows), len(plain))
        for row, other in zip(rows, plain):
            amount, day = row["Montant"], row["Date d'effet"]
            self.assertEqual((amount.data_type, day.data_type), ("n", "d"))
            self.assertEqual(Decimal(str(amount.value)), Decimal(other["amount"]))
            self.assertEqual(day.value.date(), datetime.date.fromisoformat(other["effective_date"]))
            self.assertIn('#,##0.00\\ "€"', amount.number_format)
            self.assertEqual(day.number_format, "dd/mm/yyyy")
            self.assertEqual(row["Position"].value, int(other["position"]))

        events = [event for event in self.jsonl()[1:]]
        sheet = book["Écritures"]
        headings = [cell.value for cell in sheet[1]]
        rows = [dict(zip(headings, row)) for row in sheet.iter_rows(min_row=2, values_only=True)]
        self.assertEqual([row["Empreinte (RFC 6962)"] for row in rows],
                         [event["leaf_hash"] for event in events])
        for row, event in zip(rows, events):
            recorded = datetime.datetime(1970, 1, 1) + datetime.timedelta(
                microseconds=int(event["event"]["recorded_time_us"]))
            self.assertLess(abs(row["Enregistré le (UTC)"] - recorded),
                            datetime.timedelta(milliseconds=1))

    def test_the_workbooks_yearly_execution_is_the_reports(self):
        book = openpyxl.load_workbook(self.server.export("xlsx", "out.xlsx"))
        sheet = book["Exécution annuelle"]
        self.assertEqual(sheet.freeze_panes, "D3")
        headings = [cell.value for cell in sheet[2]]
        names = {"AE ouvertes": "ae_opened", "AE engagées": "ae_engaged",
                 "AE disponibles": "ae_available", "CP ouverts": "cp_opened",
                 "CP consommés": "cp_paid", "CP disponibles": "cp_available",
                 "Restes à payer au 31/12": "outstanding"}
        said = {(agreement, int(row["fiscal_year"]), row["managing_body"]): row
                for agreement in self.agreements
                for row in self.server.csv("report", "yearly-execution", "--agreement", agreement)}
        found = 0
        for row in sheet.iter_rows(min_row=3, values_only=True):
            row = dict(zip(headings, row))
            if row["Exercice"] == "Total":
                continue
            report = said[row["Convention"], row["Exercice"], row["Service gestionnaire"]]
            found += 1
            for heading, name in names.items():
                self.assertIsInstance(row[heading], (int, float))
                self.assertEqual(Decimal(str(row[heading])), Decimal(report[name]), heading)
        self.assertEqual(found, len(said))

    # --- All of them.

    def test_made_again_later_and_elsewhere_it_is_the_same_to_the_byte(self):
        middle = str(self.server.head() // 2)
        for kind in FORMATS:
            with self.subTest(kind):
                once = self.server.export(kind, "same", "--as-of", middle).read_bytes()
                again = self.server.export(
                    kind, "same", "--as-of", middle, "--lang", "en",
                    env={"TZ": "Pacific/Kiritimati", "LC_ALL": "fr_FR.UTF-8"}).read_bytes()
                self.assertEqual(once, again)
                self.assertNotEqual(once, self.server.export(kind, "same").read_bytes())

    def test_the_workbook_holds_no_time_of_its_making(self):
        path = self.server.export("xlsx", "out.xlsx")
        last = int(self.jsonl()[-1]["event"]["recorded_time_us"]) // 1_000_000
        stamp = datetime.datetime.utcfromtimestamp(last).strftime("%Y-%m-%dT%H:%M:%SZ")
        with zipfile.ZipFile(path) as package:
            self.assertEqual({entry.date_time for entry in package.infolist()},
                             {(1980, 1, 1, 0, 0, 0)})
            core = package.read("docProps/core.xml").decode("utf-8")
        self.assertEqual(set(re.findall(r"\d{4}-\d\d-\d\dT[^<]*", core)), {stamp})

    def test_every_format_names_the_position_the_root_and_the_checkpoint(self):
        header = self.jsonl()[0]
        for kind in ("hledger", "ledger", "beancount"):
            text = self.server.export(kind, "journal").read_text(encoding="utf-8")
            self.assertIn(f"; events: {header['size']}\n; root: {header['root']}\n", text)
            for line in header["checkpoint"].rstrip("\n").split("\n"):
                self.assertIn(f";   {line}\n", text)


def tree(leaves):
    """RFC 6962, section 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\1" + tree(leaves[:half]) + tree(leaves[half:])).digest()


class TheDocumentsHistory(OfAHistory, unittest.TestCase):
    agreements = ("engagement-civique",)

    @classmethod
    def setUpClass(cls):
        cls.server = SigningServer(history())


class ASimulatedHistory(OfAHistory, unittest.TestCase):
    """Two agreements, each with reversals, late entries, carry-overs, early commitments."""

    @classmethod
    def setUpClass(cls):
        cls.server = SigningServer(simulated=(int(os.environ.get("DENIER_EXPORT_SEED", "11")), 1500, 2))
        cls.agreements = tuple(row["agreement_id"]
                               for row in cls.server.csv("list", "agreements"))
        assert len(cls.agreements) == 2, cls.agreements

    def test_one_agreement_alone_is_checked_against_the_whole_log(self):
        one, other = self.agreements
        header, *events = self.jsonl("--agreement", one)
        self.assertEqual((header["partial"], header["agreement_id"]), (True, one))
        self.assertEqual(header["root"], self.jsonl()[0]["root"])
        self.assertEqual({event["event"]["agreement_id"] for event in events}, {one})
        path = self.server.export("hledger", "journal", "--agreement", other)
        self.assertEqual(tool_balances("hledger", path),
                         {plain_text_name(other, account): amount
                          for account, amount in trial_balance(self.server, other).items()})


class WhatIsRefused(unittest.TestCase):
    """Nothing is written unless the events are those of the checkpoint."""

    @classmethod
    def setUpClass(cls):
        cls.server = SigningServer(history())

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        before = set(os.listdir(self.server.folder))
        self.addCleanup(lambda: self.assertEqual(
            {name for name in os.listdir(self.server.folder) if name.startswith((".", "refused"))},
            set(), before))

    def refused(self, server, *options, kind="jsonl", **more):
        with self.assertRaises(Refused) as refusal:
            server.export(kind, "refused", *options, **more)
        self.assertFalse(os.path.exists(server.path("refused")))
        return refusal.exception.args[1]

    def write(self, name, text):
        Path(self.server.path(name)).write_text(text, encoding="utf-8")
        return self.server.path(name)

    def test_a_held_checkpoint_and_its_key_are_what_counts(self):
        note, key = self.server.checkpoint(100)
        path = self.server.export("jsonl", "held.jsonl", "--checkpoint", self.write("note", note),
                                  "--verifier-key", self.write("verifier", key + "\n"))
        header = json.loads(path.read_text("utf-8").splitlines()[0])
        self.assertEqual((header["size"], header["checkpoint"]), (100, note))
        self.assertIn("signature vérifiée", self.server.said)

    def test_a_checkpoint_without_a_key_to_verify_it_is_refused(self):
        note, _ = self.server.checkpoint(100)
        self.assertIn("--verifier-key",
                      self.refused(self.server, "--checkpoint", self.write("note", note)))

    def test_a_wrong_key_and_a_changed_note_are_refused(self):
        note, key = self.server.checkpoint(100)
        other = SigningServer(history())
        self.addCleanup(other.close)
        wrong = other.checkpoint(100)[1]
        self.refused(self.server, "--verifier-key", wrong)
        name, size, root, rest = note.split("\n", 3)
        for changed in (f"{name}\n101\n{root}\n{rest}",
                        f"{name}\n{size}\n{'A' + root[1:] if root[0] != 'A' else 'B' + root[1:]}\n{rest}"):
            self.refused(self.server, "--checkpoint", self.write("note", changed),
                         "--verifier-key", key)

    def test_a_log_written_anew_with_the_same_key_is_not_the_checkpoints(self):
        note, key = self.server.checkpoint(100)
        lines = [line for line in history() if "avenant-1-0050" not in line]
        rewritten = SigningServer(lines[:-60], key=self.server.key)
        self.addCleanup(rewritten.close)
        for kind in FORMATS:
            said = self.refused(rewritten, "--checkpoint", self.write("note", note),
                                "--verifier-key", key, kind=kind)
            self.assertIn("ne sont pas celles du point de contrôle", said)

    def test_a_log_shorter_than_the_checkpoint_is_refused(self):
        note, key = self.server.checkpoint(180)
        older = SigningServer(history()[:60], key=self.server.key)
        self.addCleanup(older.close)
        self.assertIn("plus court", self.refused(older, "--checkpoint", self.write("note", note),
                                                 "--verifier-key", key))

    def test_a_position_that_is_not_there_is_refused(self):
        self.refused(self.server, "--as-of", "100000")

    def test_who_may_not_read_everything_gets_a_partial_export_that_says_so(self):
        self.assertIn("--partial", self.refused(self.server, principal=OFFICER))
        said = {}
        for kind in FORMATS:
            path = self.server.export(kind, "partial", "--partial", principal=OFFICER)
            said[kind] = path.read_bytes()
            note = Path(str(path) + ".provenance.txt")
            if kind == "csv":
                said[kind] = note.read_bytes()
        header, *events = [json.loads(line) for line in said["jsonl"].decode().splitlines()]
        self.assertTrue(header["partial"])
        self.assertLess(len(events), header["size"])
        for kind in ("hledger", "ledger", "beancount"):
            self.assertIn(b"; partial: only the events that the caller may read; the root was not "
                          b"checked\n", said[kind])
        self.assertIn("partiel: oui\n", said["csv"].decode())
        book = openpyxl.load_workbook(io.BytesIO(said["xlsx"]))
        self.assertIn("EXPORT PARTIEL", [row[1] for row in book["Export"].iter_rows(values_only=True)])

    def test_a_server_without_a_key_says_that_nothing_vouches_for_it(self):
        server = SigningServer(history(), signs=False)
        self.addCleanup(server.close)
        header, *events = server.export("jsonl").read_text("utf-8").splitlines()
        header = json.loads(header)
        self.assertEqual((header["checkpoint"], header["verifier_key"]), ("", ""))
        leaves = [bytes.fromhex(json.loads(event)["leaf_hash"]) for event in events]
        self.assertEqual(tree(leaves).hex(), header["root"])
        self.assertIn("; checkpoint: none, the server has no key\n",
                      server.export("ledger").read_text("utf-8"))
        self.refused(server, "--verifier-key", self.server.checkpoint(100)[1])

    def test_standard_output_takes_the_same_bytes(self):
        for kind in FORMATS:
            done = subprocess.run([BIN / "denier", "--server", self.server.address, "export", kind,
                                   "--out", "-"], stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=60, check=True)
            self.assertEqual(done.stdout, self.server.export(kind, "file").read_bytes())

    def test_an_empty_log_has_an_export(self):
        server = SigningServer(signs=False)
        self.addCleanup(server.close)
        header, = server.export("jsonl").read_text("utf-8").splitlines()
        self.assertEqual((json.loads(header)["size"], json.loads(header)["root"]),
                         (0, hashlib.sha256(b"").hexdigest()))
        for kind in FORMATS:
            server.export(kind)


if __name__ == "__main__":
    unittest.main()
