"""A long log, verified, exported, and recomputed by ledger and by the second verifier: equal figures.

DENIER_AUDIT_EVENTS: how long, some 100,000 unless it says otherwise. Says how long each step took.
"""

import json
import os
import subprocess
import sys
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = sys.argv[1]  # for export_test, which takes it from here
sys.path.insert(0, str(ROOT / "tests" / "acceptance"))
sys.path.insert(0, str(ROOT / "tests" / "services"))
import export_test  # noqa: E402

EVENTS = int(os.environ.get("DENIER_AUDIT_EVENTS", "100000"))
SEED, COMMANDS = 11, 1500
# The verifier does not read plans.
PLANNED = {"planned_ae", "planned_cp", "planned_outstanding", "planned_difference", "has_plan"}


def timed(what, function):
    begun = time.monotonic()
    result = function()
    print(f"{what}: {time.monotonic() - begun:.1f} s", flush=True)
    return result


class ALongLog(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # How many events a history of COMMANDS has, and so how many copies are wanted.
        once = export_test.SigningServer(simulated=(SEED, COMMANDS, 1))
        size = json.loads(once.export("jsonl", "once").read_text(encoding="utf-8").split("\n", 1)[0])["size"]
        once.close()
        cls.size = -(-EVENTS // size) * size
        cls.server = timed("start on a log without rows", lambda: export_test.SigningServer(
            simulated=(SEED, COMMANDS, -(-EVENTS // size))))
        cls.agreements = [row["agreement_id"] for row in cls.server.csv("list", "agreements")]

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_ledger_and_the_second_verifier_come_to_the_servers_figures(self):
        log = timed("export jsonl", lambda: self.server.export("jsonl", "log.jsonl"))
        with open(log, encoding="utf-8") as file:
            header = json.loads(file.readline())
        self.assertEqual(header["size"], self.size)
        self.assertFalse(header["partial"])

        verified = timed("deploy/verify-export", lambda: subprocess.run(
            [ROOT / "deploy" / "verify-export", log, "--key", header["verifier_key"], "--json"],
            capture_output=True, text=True, check=False))
        self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
        table = json.loads(verified.stdout)

        journal = timed("export ledger", lambda: self.server.export("ledger", "log.ledger"))
        balances = timed("ledger balance", lambda: export_test.tool_balances("ledger", journal))

        sample = self.agreements[::max(1, len(self.agreements) // 10)]
        for agreement in sample:
            expected = {export_test.plain_text_name(agreement, account): amount
                        for account, amount in export_test.trial_balance(self.server, agreement).items()}
            found = {account: amount for account, amount in balances.items()
                     if account.split(":")[1] == agreement}
            self.assertEqual(found, expected, agreement)
            for row in self.rows(agreement):
                mine = self.find(table, agreement, row)
                columns = (set(mine) & set(row)) - PLANNED
                self.assertGreaterEqual(len(columns), 30)
                for column in columns:
                    shown = mine[column]
                    shown = str(shown).lower() if isinstance(shown, bool) else str(shown)
                    self.assertEqual(shown, row[column], (agreement, column, row))

        self.server.stop()
        checked = timed("denier verify", lambda: subprocess.run(
            [Path(BIN) / "denier", "verify", "--data", self.server.data, "--lang", "en"],
            capture_output=True, text=True, check=False))
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn(f"Verified: {self.size:,} events", checked.stdout)
        replayed = timed("denier replay", lambda: subprocess.run(
            [Path(BIN) / "denier", "replay", "--data", self.server.data, "--lang", "en"],
            capture_output=True, text=True, check=False))
        self.assertEqual(replayed.returncode, 0, replayed.stdout + replayed.stderr)

    def rows(self, agreement):
        return self.server.csv("report", "yearly-execution", "--agreement", agreement)

    def find(self, table, agreement, row):
        for mine in table["agreements"][agreement]["rows"]:
            if (mine["managing_body"], str(mine["fiscal_year"])) == (row["managing_body"], row["fiscal_year"]):
                return mine
        self.fail(f"{agreement}: no row for {row['managing_body']} in {row['fiscal_year']}")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
