"""Runs each command of docs/audit.md, as it stands there, against a server with the document's history."""

import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "services"))
from running_denierd import Denierd  # noqa: E402

BIN = pathlib.Path(sys.argv.pop(1))
HISTORY = ROOT / "tests" / "acceptance" / "avenant-1.jsonl"
GUIDE = ROOT / "docs" / "audit.md"


def commands():
    blocks = re.findall(r"^```sh\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.M | re.S)
    return [block.strip() for block in blocks]


class Guide(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="denier-guide-")
        cls.here = pathlib.Path(cls.folder.name)
        (cls.here / "deploy").symlink_to(ROOT / "deploy")
        key = cls.here / "key.pem"
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True,
                       capture_output=True)
        cls.server = Denierd(BIN / "denierd", "--init", "--checkpoint-key", str(key))
        cls.server.start()
        cls.environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", DENIER_LANG="en",
                               DENIER_SERVER=cls.server.address, DATA=str(cls.server.data))
        # An earlier visit, when the history was not whole.
        lines = HISTORY.read_text(encoding="utf-8").splitlines(keepends=True)
        (cls.here / "earlier.jsonl").write_text("".join(lines[:150]), encoding="utf-8")
        cls.must("denier apply earlier.jsonl && denier checkpoint --fresh --out last-year.note"
                 " && denier checkpoint --verifier-key > log.key"
                 f" && denier apply {HISTORY}")

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()
        cls.folder.cleanup()

    @classmethod
    def run_one(cls, command):
        return subprocess.run(["bash", "-c", command], cwd=cls.here, env=cls.environment, text=True,
                              capture_output=True, timeout=120)

    @classmethod
    def must(cls, command):
        done = cls.run_one(command)
        if done.returncode != 0:
            raise AssertionError(f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_every_command_of_the_guide(self):
        wanted = [  # a piece of what each command prints
            "Written to today.note: checkpoint over 190 events",
            "PROVEN: the log of 190 events begins with that of 125",
            "PROVEN: event 133 is in the log",
            "570,063.58",
            "570,063.58",
            "",
            "CP  1 251 669.60  1 866 592.14  570 063.58  3 688 325.32",
            "",
            "570063.58 EUR",
            "Verified: 190 events",
        ]
        listed = commands()
        self.assertEqual(len(listed), len(wanted))
        for number, (command, piece) in enumerate(zip(listed, wanted), start=1):
            with self.subTest(number=number, command=command):
                if "$DATA" in command:
                    self.server.process.send_signal(signal.SIGTERM)
                    self.assertEqual(self.server.end(), 0)
                self.assertIn(piece, self.must(command))

        # The controls: what the guide relies on turns red when it should.
        tampered = (self.here / "log.jsonl").read_text(encoding="utf-8").replace(
            '"net_cents":"12000000"', '"net_cents":"12000001"', 1)
        (self.here / "tampered.jsonl").write_text(tampered, encoding="utf-8")
        verified = self.run_one(listed[6].replace("log.jsonl", "tampered.jsonl"))
        self.assertNotEqual(verified.returncode, 0, verified.stdout)
        self.must("tr 1-8 2-9 < last-year.note > forged.note")
        forged = self.run_one(listed[9].replace("today.note", "forged.note"))
        self.assertNotEqual(forged.returncode, 0, forged.stdout)


if __name__ == "__main__":
    unittest.main()
