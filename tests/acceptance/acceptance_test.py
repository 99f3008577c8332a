"""The source document's figures, out of an event log, through the programs that people use.

Starts build/.../bin/denierd, plays tests/acceptance/avenant-1.jsonl with bin/denier and reads the reports.
The programs' folder is the first argument.
"""
import collections
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from decimal import Decimal
from pathlib import Path

BIN = Path(sys.argv.pop(1)).resolve()
HERE = Path(__file__).resolve().parent
HISTORY = HERE / "avenant-1.jsonl"
AUDITOR = "auditor-1@AUDIT:auditor"


class Server:
    """A denierd of its own on free ports, with a data folder that outlives restarts."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="denier-acceptance-")
        self.data = os.path.join(self.folder, "data")
        self.start("--init")

    def start(self, *more):
        self.process = subprocess.Popen(
            [BIN / "denierd", "--data", self.data, "--listen", "127.0.0.1:0", "--metrics", "off",
             "--development", "--log-file", os.path.join(self.folder, "log"), *more],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if "ready on" not in line:
            raise AssertionError("denierd did not start: " + Path(self.folder, "log").read_text())
        self.address = line.split("ready on ")[1].split()[0]

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=30) != 0:
            raise AssertionError(f"denierd ended with {self.process.returncode}")
        self.process.stdout.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder)

    def run(self, *arguments, principal=AUDITOR):
        done = subprocess.run([BIN / "denier", "--server", self.address, "--as", principal, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
                              check=False)
        if done.returncode != 0:
            raise AssertionError(f"denier {arguments}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done

    def csv(self, *arguments):
        text = self.run(*arguments, "--format", "csv").stdout
        return list(csv.DictReader(io.StringIO(text, newline="")))

    def apply(self, lines):
        path = os.path.join(self.folder, "commands.jsonl")
        Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
        return self.run("apply", path)

    def head(self):
        status = self.run("status", "--format", "json", principal="operator-1@OPS:operator").stdout
        return int(json.loads(status)["head_position"])


def history():
    return HISTORY.read_text(encoding="utf-8").splitlines()


def steps():
    return [(number, json.loads(line)) for number, line in enumerate(history())
            if line and not line.startswith("#")]


def execution(server, body):
    return {int(row["fiscal_year"]): row
            for row in server.csv("report", "yearly-execution") if row["managing_body"] == body}


def document():
    with open(HERE / "document.csv", newline="", encoding="utf-8") as file:
        return {int(row["fiscal_year"]): row for row in csv.DictReader(file)}


class TheDocumentsHistory(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()
        cls.server.apply(history())

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_yearly_execution_is_the_documents_table_to_the_cent(self):
        rows = execution(self.server, "DINUM")
        for year, stated in document().items():
            self.assertEqual(rows[year]["ae_engaged"], stated["ae"], year)
            self.assertEqual(rows[year]["cp_paid"], stated["cp"], year)
            self.assertEqual(rows[year]["outstanding"], stated["outstanding"], year)
        self.assertEqual(sum(Decimal(row["ae_engaged"]) for row in rows.values()),
                         Decimal("3688325.32"))
        self.assertEqual(sum(Decimal(row["cp_paid"]) for row in rows.values()),
                         Decimal("3688325.32"))

    def test_djepva_engages_and_pays_what_the_document_leaves_it_in_2022(self):
        row = execution(self.server, "DJEPVA")[2022]
        self.assertEqual(row["ae_engaged"], "2916347.20")
        self.assertEqual(row["cp_paid"], "2916347.20")
        self.assertEqual(row["outstanding"], "0.00")

    def test_both_bodies_pay_the_ceiling_and_the_carry_over_in_2022(self):
        paid = sum(Decimal(execution(self.server, body)[2022]["cp_paid"])
                   for body in ("DINUM", "DJEPVA"))
        self.assertEqual(paid, Decimal("3099419.20") + Decimal("386991.58"))

    def test_planned_figures_of_2022_stand_beside_the_actual_ones(self):
        row = execution(self.server, "DINUM")[2022]
        self.assertEqual((row["planned_ae"], row["planned_cp"]), ("183072.00", "570063.58"))
        self.assertEqual((row["planned_outstanding"], row["planned_difference"]), ("0.00", "0.00"))

    def test_the_carry_over_is_granted_out_of_2021_and_enters_2022(self):
        rows = execution(self.server, "DINUM")
        self.assertEqual(rows[2021]["cp_carryover_granted"], "386991.58")
        self.assertEqual(rows[2022]["cp_carried_in"], "386991.58")
        self.assertEqual(rows[2021]["cp_lapsed"], "0.00")

    def test_the_coaching_envelope_is_used_up(self):
        row, = self.server.csv("report", "envelope", "coaching-2022")
        self.assertEqual((row["ae_opened"], row["cp_opened"]), ("183072.00", "183072.00"))
        self.assertEqual((row["ae_engaged"], row["cp_paid"]), ("183072.00", "183072.00"))
        self.assertEqual((row["ae_available"], row["cp_available"]), ("0.00", "0.00"))

    def test_products_are_80_cents_more_than_the_financing(self):
        table = self.server.run("report", "products").stdout.replace("\u00a0", " ")
        for figure in ("3 099 420,00 €", "3 099 419,20 €", "0,80 €"):
            self.assertIn(figure, table)

    def test_five_commitments_and_twelve_payments_a_year_some_on_earlier_years(self):
        paid, engaged, on_earlier = collections.Counter(), collections.Counter(), 0
        for row in self.server.csv("list", "payments"):
            year = int(row["paid_year"])
            paid[year] += 1
            on_earlier += int(row["origin_year"] or year) < year
        for _, step in steps():
            for kind in ("engage", "import_opening"):
                command = step["command"].get(kind)
                if command and "expect" not in step:
                    years = {line.get("origin_year") or command["header"]["effective_date"] // 10000
                             for line in command["lines"]}
                    engaged.update(years)
        for year in (2020, 2021, 2022):
            self.assertGreaterEqual(paid[year], 12, year)
            self.assertGreaterEqual(engaged[year], 5, year)
        self.assertGreaterEqual(on_earlier, 5)

    def test_played_again_it_changes_nothing(self):
        before, head = self.server.csv("report", "yearly-execution"), self.server.head()
        self.server.apply(history())
        self.assertEqual(self.server.head(), head)
        self.assertEqual(self.server.csv("report", "yearly-execution"), before)

    def test_every_made_up_row_says_so(self):
        for number, step in steps():
            self.assertIn(step["basis"], ("document", "derived", "made-up"), number + 1)

    def test_the_trial_balance_is_zero(self):
        rows = self.server.csv("report", "trial-balance")
        self.assertGreater(len(rows), 20)
        self.assertEqual(sum(Decimal(row["balance"]) for row in rows), 0)


class TheLogAlone(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.close)
        self.server.apply(history())

    def reports(self):
        return [self.server.run("report", *report, "--format", "csv").stdout
                for report in (["yearly-execution"], ["outstanding"], ["products"], ["follow-up"],
                               ["trial-balance"], ["envelope", "coaching-2022"])]

    def test_a_restart_without_the_views_gives_the_same_reports_to_the_byte(self):
        before, head = self.reports(), self.server.head()
        self.server.stop()
        shutil.rmtree(os.path.join(self.server.data, "views"))
        self.server.start()
        self.assertEqual(self.server.head(), head)
        self.assertEqual(self.reports(), before)


class OneCent(unittest.TestCase):
    def test_a_payment_that_is_a_cent_less_moves_the_report_by_that_cent(self):
        lines = history()
        number, step = next((number, step) for number, step in steps()
                            if step["command"].get("request_payment", {}).get("commitment_id")
                            == "EJ-2021-06")
        request = step["command"]["request_payment"]
        request["gross_cents"] -= 1
        request["net_cents"] -= 1
        lines[number] = json.dumps(step)
        server = Server()
        self.addCleanup(server.close)
        server.apply(lines)
        stated, cent = document(), Decimal("0.01")
        rows = execution(server, "DINUM")
        self.assertEqual(Decimal(rows[2021]["cp_paid"]), Decimal(stated[2021]["cp"]) - cent)
        self.assertEqual(Decimal(rows[2021]["outstanding"]),
                         Decimal(stated[2021]["outstanding"]) + cent)
        self.assertEqual(rows[2021]["ae_engaged"], stated[2021]["ae"])
        self.assertEqual(rows[2020]["cp_paid"], stated[2020]["cp"])
        self.assertEqual(rows[2022]["cp_paid"], stated[2022]["cp"])


class TheCarryOverIsRefused(unittest.TestCase):
    """The other branch of the document's asterisk: the debt stays due, then DJEPVA's CP pay it."""

    def test_the_debt_stays_and_a_redeployment_pays_it(self):
        refused, header = [], None
        for line in history():
            if not line or line.startswith("#"):
                continue
            step = json.loads(line)
            kind, command = next(iter(step["command"].items()))
            if kind == "grant_carryover":
                step["command"] = {"refuse_carryover": {
                    "header": command["header"], "carryover_id": command["carryover_id"],
                    "act_reference": "REFUS-2022"}}
                header = command["header"]
                refused.append(json.dumps(step))
                continue
            year = command["header"]["effective_date"] // 10000
            # Not made available, nothing of 2021 is paid, and DJEPVA still has all its credits.
            skip = (kind == "make_carryover_available" or "expect" in step
                    or kind == "close_year" and year == 2023 or kind == "transfer"
                    or year == 2022 and (
                        command.get("paying_envelope_id") in ("dinum-2020-2021", "djepva-2022")
                        or command.get("envelope_id") == "djepva-2022"
                        and kind in ("engage", "freeze", "release")
                        or kind in ("certify_service", "pay", "pay_without_commitment")))
            if not skip:
                refused.append(line)
            elif year == 2022 and kind in ("certify_service", "pay") and self.of_coaching(command):
                refused.append(line)
        server = Server()
        self.addCleanup(server.close)
        server.apply(refused)
        row = execution(server, "DINUM")[2022]
        self.assertEqual((row["cp_paid"], row["outstanding"]), ("183072.00", "386991.58"))

        settle = [self.transfer(header)]
        owed = [row for row in server.csv("list", "commitments", "--open-only")
                if row["outstanding"] != "0.00"]
        self.assertTrue(owed)
        for line in owed:
            settle += self.settle(header, line["commitment_id"], line["line_id"],
                                  int(Decimal(line["outstanding"]) * 100))
        server.apply(settle)
        row = execution(server, "DINUM")[2022]
        self.assertEqual((row["cp_paid"], row["outstanding"]), ("570063.58", "0.00"))
        self.assertEqual(execution(server, "DJEPVA")[2022]["cp_available"], "2529355.62")

    def of_coaching(self, command):
        coaching = {step["command"]["request_payment"]["payment_request_id"]
                    for _, step in steps() if step["command"].get("request_payment", {})
                    .get("paying_envelope_id") == "coaching-2022"}
        return (command.get("payment_request_id") in coaching
                or "coach" in {step["command"]["engage"]["references"]["payee"].split("-")[-1].lower()
                               for _, step in steps() if "engage" in step["command"]
                               and "expect" not in step
                               and step["command"]["engage"]["commitment_id"]
                               == command.get("commitment_id")
                               and "references" in step["command"]["engage"]})

    def header(self, like, request_id):
        return {"request_id": request_id, "agreement_id": like["agreement_id"],
                "effective_date": 20221212}

    def transfer(self, like):
        return json.dumps({"as": "djepva-pm-1@DJEPVA:programme_manager", "command": {"transfer": {
            "header": self.header(like, "redeploy"), "from_envelope_id": "djepva-2022",
            "to_envelope_id": "dinum-2020-2021", "cp_cents": 38699158,
            "act_reference": "REDEPLOIEMENT-2022"}}})

    def settle(self, like, commitment, line, cents):
        name = f"{commitment}-{line}"
        officer, accountant = "dinum-officer-1@DINUM:authorising_officer", "accountant-1@CBCM:accountant"
        amounts = {"commitment_id": commitment, "line_id": line}
        return [json.dumps(step) for step in (
            {"as": officer, "command": {"certify_service": {
                "header": self.header(like, "sf-" + name), **amounts, "amount_cents": cents}}},
            {"as": officer, "command": {"request_payment": {
                "header": self.header(like, "dp-" + name), **amounts,
                "payment_request_id": "DP-" + name, "type": "PAYMENT_TYPE_SERVICE",
                "paying_envelope_id": "dinum-2020-2021", "gross_cents": cents, "net_cents": cents}}},
            {"as": accountant, "command": {"pay": {
                "header": self.header(like, "pay-" + name), "payment_request_id": "DP-" + name}}})]


if __name__ == "__main__":
    unittest.main()
