"""Reports of a stopped server's folder, with nothing left in it but the log: what the server said.

The history of the source document; the programs' folder is the first argument.
"""
import hashlib
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

from acceptance_test import BIN, Server, history, steps

OPERATOR = "operator-1@OPS:operator"
REPORTS = ("yearly-execution", "outstanding", "products", "follow-up", "trial-balance")


def files(folder):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in Path(folder).rglob("*") if path.is_file()}


def denier(*arguments):
    return subprocess.run([BIN / "denier", *arguments], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=60, check=False)


class FolderReport(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(shutil.rmtree, self.server.folder)
        self.server.apply(history())

    def stop_and_keep_the_log_alone(self):
        self.server.stop()
        shutil.rmtree(os.path.join(self.server.data, "views"))

    def questions(self):
        """Every report in every form, now and at other moments."""
        middle = self.server.head() // 2
        for report in REPORTS:
            for options in ([], ["--format", "csv"], ["--format", "json"], ["--lang", "en"],
                            ["--year", "2021", "--body", "DINUM"], ["--as-of", str(middle)],
                            ["--as-of", "0"], ["--as-of", str(middle), "--format", "json"],
                            ["--effective-until", "2021-06-30"],
                            ["--effective-until", "2021-12-31", "--as-of", str(middle),
                             "--format", "csv"],
                            ["--agreement", self.server.agreement]):
                yield ["report", report, *options]
        for instant in ("2020-01-01", "2999-01-01"):
            yield ["report", "trial-balance", "--as-of", instant, "--agreement",
                   self.server.agreement, "--format", "csv"]

    def test_says_what_the_server_said_and_writes_nothing(self):
        self.server.agreement = json.loads(
            self.server.run("list", "agreements", "--format", "json").stdout
        )["agreements"][0]["agreement_id"]
        asked = []
        for question in self.questions():
            done = subprocess.run([BIN / "denier", "--server", self.server.address, *question],
                                  capture_output=True, text=True, timeout=60, check=False)
            asked.append((question, done.returncode, done.stdout))
        self.stop_and_keep_the_log_alone()
        before = files(self.server.data)
        answered = 0
        for question, code, said in asked:
            with self.subTest(question):
                found = denier(*question, "--data", self.server.data)
                self.assertEqual((found.returncode, found.stdout), (code, said), found.stderr)
                answered += code == 0
        self.assertGreaterEqual(answered, len(REPORTS) * 11)
        self.assertEqual(files(self.server.data), before)

    def test_of_backups_the_newest_is_read(self):
        self.server.stop()
        backups = os.path.join(self.server.folder, "backups")
        self.server.start("--backup-dir", backups)
        self.server.run("backup", "create", principal=OPERATOR)
        self.create_another_agreement()
        self.server.run("backup", "create", principal=OPERATOR)
        self.server.stop()
        before = files(backups)
        for agreement in ("engagement-civique", "autre-convention"):
            arguments = ["report", "yearly-execution", "--agreement", agreement, "--format", "json"]
            with self.subTest(agreement):
                found = denier(*arguments, "--data", backups)
                self.assertEqual(found.returncode, 0, found.stderr)
                self.assertEqual(found.stdout, denier(*arguments, "--data", self.server.data).stdout)
        replayed = denier("replay", "--data", backups, "--format", "json")
        self.assertEqual(replayed.returncode, 0, replayed.stderr)
        there = json.loads(denier("replay", "--data", self.server.data, "--format", "json").stdout)
        self.assertEqual(json.loads(replayed.stdout)["root"], there["root"])
        self.assertEqual(files(backups), before)

    def test_a_folder_in_use_is_refused_and_says_by_whom(self):
        found = denier("report", "yearly-execution", "--data", self.server.data)
        self.assertEqual((found.returncode, found.stdout), (3, ""))
        self.assertIn(str(self.server.process.pid), found.stderr)
        self.server.stop()
        self.assertEqual(denier("report", "yearly-execution", "--data", self.server.data).returncode,
                         0)

    def test_what_is_no_folder_or_damaged_is_said(self):
        missing = denier("report", "outstanding", "--data", self.server.folder + "/none")
        self.assertEqual((missing.returncode, missing.stdout), (3, ""))
        self.assertIn("/none", missing.stderr)
        self.stop_and_keep_the_log_alone()
        largest = max(Path(self.server.data, "log").iterdir(), key=lambda path: path.stat().st_size)
        whole = largest.read_bytes()
        at = len(whole) // 3
        largest.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
        damaged = denier("report", "outstanding", "--data", self.server.data)
        self.assertEqual((damaged.returncode, damaged.stdout), (3, ""))
        self.assertIn("restore", damaged.stderr)
        largest.write_bytes(whole)
        os.remove(os.path.join(self.server.data, "anchor"))
        unanchored = denier("report", "outstanding", "--data", self.server.data)
        self.assertEqual((unanchored.returncode, unanchored.stdout), (3, ""))
        self.assertIn("anchor", unanchored.stderr)

    def create_another_agreement(self):
        _, creation = steps()[0]
        self.assertIn("create_agreement", creation["command"])
        command = creation["command"]["create_agreement"]
        command["header"]["agreement_id"] = command["term"]["act_id"] = "autre-convention"
        command["header"]["request_id"] = "autre"
        self.server.apply([json.dumps(creation)])

    def test_what_cannot_be_answered_is_refused(self):
        self.create_another_agreement()
        self.stop_and_keep_the_log_alone()

        def refused(*options):
            found = denier("report", "yearly-execution", "--data", self.server.data, *options)
            self.assertEqual(found.stdout, "")
            return found.returncode, found.stderr

        code, words = refused()
        self.assertEqual(code, 2)
        self.assertIn("autre-convention", words)
        code, words = refused("--agreement", "aucune")
        self.assertEqual(code, 1)
        self.assertIn("aucune", words)
        self.assertEqual(refused("--as-of", "100000", "--agreement", "autre-convention")[0], 3)
        self.assertEqual(refused("--compare", "3")[0], 2)
        self.assertEqual(refused("--min-position", "3")[0], 2)
        self.assertEqual(denier("report", "envelope", "x", "--data", self.server.data).returncode, 2)


if __name__ == "__main__":
    unittest.main()
