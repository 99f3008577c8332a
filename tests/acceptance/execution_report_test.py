"""The compte rendu as people get it: its page and its workbook, read back by programs not ours.

The history of the source document and a simulated one; the programs' folder is the first argument.
Runs under Debian's python3, for openpyxl.
"""
import datetime
import json
import os
import re
import unittest
import xml.etree.ElementTree as ET
from decimal import Decimal
from pathlib import Path

import openpyxl

from acceptance_test import document, history
from export_test import SigningServer

NO_BREAK = "\u00a0"
YEAR = ("--from", "2022-01-01", "--until", "2022-12-31")


def euros(text):
    """What "-1 495 779,00 €" says; anything else is an error."""
    if not re.fullmatch(r"-?\d{1,3}(\u00a0\d{3})*,\d\d\u00a0€", text):
        raise AssertionError(f"{text!r} is no amount")
    return Decimal(text.rstrip("€").replace(NO_BREAK, "").replace(",", "."))


def report(server, *options, name="report"):
    """The page and the workbook, as paths."""
    paths = [Path(server.path(name + end)) for end in (".html", ".xlsx")]
    server.run("report", "execution-report", *options, "--html", str(paths[0]), "--xlsx",
               str(paths[1]))
    return paths


class Page:
    """A page, parsed by Python's XML parser: what is not well-formed is refused there."""

    def __init__(self, path):
        self.text = path.read_text(encoding="utf-8")
        self.root = ET.fromstring(self.text)
        self.sections = {}
        for section in self.root.iter("section"):
            title = re.sub(r"^\d+\. ", "", section.find("h2").text)
            self.sections[title] = section

    def tables(self, section):
        """Each table of a section: rows of texts by heading, marked whether they are totals."""
        tables = []
        for table in self.sections[section].findall("table"):
            headings = ["".join(th.itertext()) for th in table.find("thead").iter("th")]
            rows = []
            for tr in table.find("tbody").findall("tr"):
                cells = []
                for td in tr.findall("td"):
                    cells += ["".join(td.itertext())] + [""] * (int(td.get("colspan", 1)) - 1)
                if tr.get("class") != "group":
                    rows.append((tr.get("class") == "total", dict(zip(headings, cells, strict=True))))
            tables.append(rows)
        return tables

    def figure(self, table, body, name):
        """A figure of the summary by body."""
        for _, row in self.tables("Synthèse par service gestionnaire")[table]:
            if row["Rubrique"] == name:
                return euros(row[body])
        raise AssertionError(f"no line {name}")

    def facts(self):
        return {"".join(tr.find("th").itertext()): "".join(tr.find("td").itertext())
                for tr in self.root.iter("tr") if tr.find("th") is not None
                and tr.find("td") is not None}


class OfAnyHistory:
    """What every compte rendu must be."""

    options = ()

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_the_page_needs_nothing_but_itself(self):
        page = Page(self.paths[0])
        self.assertEqual(page.root.tag, "html")
        self.assertEqual(page.root.get("lang"), "fr")
        for element in page.root.iter():
            self.assertNotIn(element.tag, {"script", "link", "img", "iframe", "object", "embed"})
            self.assertFalse({"src", "href"} & set(element.attrib), element.attrib)
        self.assertNotRegex(page.text, r"url\(|@import|https?://(?!www\.w3\.org/2000/svg)")

    def test_made_again_it_is_the_same_to_the_byte(self):
        again = report(self.server, *self.options, name="again")
        position = re.search(r"--as-of (\d+)", Page(self.paths[0]).facts()["Pour le refaire"])[1]
        as_of = report(self.server, *self.options, "--as-of", position, name="as-of")
        for first, second, third in zip(self.paths, again, as_of):
            self.assertEqual(first.read_bytes(), second.read_bytes())
            self.assertEqual(first.read_bytes(), third.read_bytes())

    def test_every_total_is_the_sum_of_what_stands_above_it(self):
        page, checked = Page(self.paths[0]), 0
        for section in ("Consommation mensuelle", "Restes à payer par exercice d'origine",
                        "Exécution par engagement juridique", "Paiements de la période",
                        "Service fait non payé (charges à payer)", "Échéancier des paiements"):
            for table in page.tables(section):
                sums, all_sums = {}, {}
                for total, row in table:
                    grand = next(iter(row.values())) == "Total"
                    for heading, text in row.items():
                        if not text.endswith("€"):
                            continue
                        if total:
                            expected = all_sums if grand else sums
                            self.assertEqual(euros(text), expected[heading], (section, heading))
                            checked += 1
                        else:
                            sums[heading] = sums.get(heading, 0) + euros(text)
                            all_sums[heading] = all_sums.get(heading, 0) + euros(text)
                    if total:
                        sums = {}
        self.assertGreater(checked, 10)

    def test_the_workbook_has_the_pages_figures_as_numbers(self):
        page, book = Page(self.paths[0]), openpyxl.load_workbook(self.paths[1])
        sheets = book.worksheets[1:]
        self.assertEqual(len(sheets), len(page.sections) - 1)
        for sheet, title in zip(sheets, page.sections):
            self.assertTrue(sheet["A1"].value.endswith(title), (sheet["A1"].value, title))
            self.assertIsNotNone(sheet.freeze_panes, sheet.title)
            stated = [euros(text) for table in page.tables(title) for _, row in table
                      for text in row.values() if re.fullmatch(r"-?[\d\u00a0]+,\d\d\u00a0€", text)]
            cells = [cell for row in sheet.iter_rows() for cell in row if "€" in cell.number_format
                     and cell.value is not None]
            for cell in cells:
                self.assertIsInstance(cell.value, (int, float), (sheet.title, cell.coordinate))
            self.assertEqual([Decimal(f"{cell.value:.2f}") for cell in cells], stated, sheet.title)
        payments = book["Paiements"]
        days = [cell.value for cell in payments["A"] if cell.is_date]
        self.assertEqual([day.strftime("%d/%m/%Y") for day in days],
                         [row["Date"] for total, row in page.tables("Paiements de la période")[0]
                          if not total])
        self.assertTrue(all(isinstance(day, datetime.datetime) for day in days))

    def test_csv_and_json_have_the_whole_report(self):
        said = json.loads(self.server.run("report", "execution-report", *self.options, "--format",
                                          "json").stdout)
        rows = self.server.csv("report", "execution-report", *self.options, "--section", "payments")
        self.assertEqual([row["net"] for row in rows],
                         [payment["net"] for payment in said["report"]["payments"]])
        stated = [euros(row["Payé"]) for total, row in
                  Page(self.paths[0]).tables("Paiements de la période")[0] if not total]
        self.assertEqual([Decimal(row["net"]) for row in rows], stated)


class TheDocumentsHistory(OfAnyHistory, unittest.TestCase):
    options = YEAR

    @classmethod
    def setUpClass(cls):
        cls.server = SigningServer(history())
        cls.paths = report(cls.server, *YEAR)

    def test_the_documents_figures_are_in_the_pages_of_their_years(self):
        for year, stated in document().items():
            page = Page(report(self.server, "--from", f"{year}-01-01", "--until", f"{year}-12-31",
                               name=str(year))[0])
            self.assertEqual(page.figure(0, "DINUM", "AE engagées"), Decimal(stated["ae"]))
            self.assertEqual(page.figure(1, "DINUM", "CP consommés (payés)"), Decimal(stated["cp"]))
            self.assertEqual(page.figure(2, "DINUM", "Restes à payer en fin de période"),
                             Decimal(stated["outstanding"]))

    def test_a_cent_and_a_tag_are_seen(self):
        # The controls of what reads the page: a figure a cent off, and a tag that is not closed.
        page = Page(self.paths[0])
        self.assertEqual(page.figure(0, "DJEPVA", "AE engagées"), Decimal("2916347.20"))
        path = Path(self.server.path("off.html"))
        path.write_text(page.text.replace("347,20", "347,21"), encoding="utf-8")
        self.assertNotEqual(Page(path).figure(0, "DJEPVA", "AE engagées"), Decimal("2916347.20"))
        path.write_text(page.text.replace("</td></tr>", "</tr>", 1), encoding="utf-8")
        with self.assertRaises(ET.ParseError):
            Page(path)

    def test_it_names_position_root_and_checkpoint(self):
        head = self.server.head()
        note, key = self.server.checkpoint(head + 1)
        page = Page(self.paths[0])
        self.assertEqual(next(page.root.iter("pre")).text, note)
        self.assertEqual(page.facts()["Clé de vérification"], key)
        self.assertIn(f"n°{NO_BREAK}{head},", page.facts()["Position"])
        cover = openpyxl.load_workbook(self.paths[1]).worksheets[0]
        self.assertIn(note.rstrip("\n"), [cell.value for cell in cover["C"]])
        self.assertIn(page.facts()["Racine de Merkle"], [cell.value for cell in cover["C"]])

    def test_without_a_key_it_says_that_there_is_no_checkpoint_and_has_the_same_root(self):
        server = SigningServer(history(), signs=False)
        self.addCleanup(server.close)
        page = Page(report(server, *YEAR)[0])
        self.assertIn("le serveur n'a pas de clé", page.facts()["Point de contrôle"])
        self.assertIsNone(next(page.root.iter("pre"), None))
        header = json.loads(server.export("jsonl").read_text("utf-8").splitlines()[0])
        self.assertEqual(page.facts()["Racine de Merkle"], header["root"])

    def test_what_happens_later_does_not_change_it(self):
        server = SigningServer(history()[:-1])
        self.addCleanup(server.close)
        before = report(server, *YEAR, name="before")
        position = str(server.head())
        server.apply(history())
        self.assertGreater(server.head(), int(position))
        after = report(server, *YEAR, "--as-of", position, name="after")
        for one, other in zip(before, after):
            self.assertEqual(one.read_bytes(), other.read_bytes())

    def test_the_charts_show_the_months_and_the_origins(self):
        page = Page(report(self.server, "--from", "2021-01-01", "--until", "2022-12-31",
                           name="charts")[0])
        svg = "{http://www.w3.org/2000/svg}"
        drawings = page.sections["Consommation mensuelle"].findall(f"figure/{svg}svg")
        self.assertEqual(len(drawings), 2)
        months = page.tables("Consommation mensuelle")[0]
        for drawing, heading in zip(drawings, ("AE consommées", "CP payés")):
            bars = drawing.findall(f"{svg}rect")[:-1]  # the last is the legend's
            paid = [euros(row[heading]) for total, row in months if not total]
            paid = [amount for amount in paid if amount]
            self.assertEqual(len(bars), len(paid))
            tallest = max(range(len(paid)), key=lambda i: paid[i])
            scale = Decimal(bars[tallest].get("height")) / paid[tallest]
            for bar, amount in zip(bars, paid):
                self.assertAlmostEqual(Decimal(bar.get("height")), amount * scale,
                                       delta=Decimal("0.2"))
        for chart, owed in ((page, "244 109,40 €"), (Page(self.paths[0]), "356 991,58 €")):
            section = chart.sections["Restes à payer par exercice d'origine"]
            self.assertIn(owed.replace(" ", NO_BREAK),
                          [text.text for text in section.iter(f"{svg}text")])

    def test_nothing_is_neant_and_plans_are_marked(self):
        page = Page(self.paths[0])
        for title in ("Contre-passations, écritures tardives et corrections",
                      "Service fait non payé (charges à payer)", "Interruptions du mandat"):
            self.assertEqual([p.text for p in page.sections[title].findall("p")][-1], "Néant")
        self.assertIn("AE (prévision)", page.tables("Prévision et exécution")[0][0][1])

    def test_payments_and_commitments_have_their_numbers(self):
        page = Page(self.paths[0])
        payments = [row for _, row in page.tables("Paiements de la période")[0]]
        self.assertEqual(payments[0], {
            "Date": "04/03/2022", "Demande de paiement": "DP:2022-08 (DP-2022-08)",
            "Engagement": "EJ:2022-01", "Facture": "FACT-2022-08", "Créancier": "FOURNISSEUR-COACH",
            "Objet": "service fait", "Enveloppe": "DINUM, coaching 2022",
            "Payé": "15 256,00 €".replace(" ", NO_BREAK)})
        commitment = page.tables("Exécution par engagement juridique")[0][0][1]
        self.assertEqual(list(commitment.values())[:3],
                         ["EJ:2022-01 (EJ-2022-01)", "MARCHE-COACHING", "FOURNISSEUR-COACH"])

    def test_a_refused_carry_over_is_told(self):
        lines = history()
        asked = next(i for i, line in enumerate(lines) if '"request_carryover"' in line)
        pm = "djepva-pm-1@DJEPVA:programme_manager"
        refusal = {"as": pm, "command": {"refuse_carryover": {
            "header": {"request_id": "refusal", "agreement_id": "engagement-civique",
                       "effective_date": 20220120},
            "carryover_id": "report-cp-2021", "act_reference": "LETTRE-REFUS-7"}}}
        server = SigningServer(lines[:asked + 1] + [json.dumps(refusal)])
        self.addCleanup(server.close)
        paths = report(server, "--from", "2021-01-01", "--until", "2022-06-30")
        refused, others = Page(paths[0]).tables("Reports de crédits") + [None]
        (_, row), = refused
        self.assertEqual((row["Report"], row["Situation"], row["Actes"], euros(row["Demandé"])),
                         ("report-cp-2021", "refusé le 20/01/2022", "LETTRE-REFUS-7",
                          Decimal("386991.58")))
        self.assertIsNone(others, "no other carry-over")
        sheet = openpyxl.load_workbook(paths[1])["Reports"]
        self.assertIn("report-cp-2021", [cell.value for cell in sheet["A"]])

    def test_english(self):
        text = self.server.run("report", "execution-report", *YEAR, "--lang", "en").stdout
        self.assertIn("Execution report", text)
        self.assertIn("€2,916,347.20", text)
        self.assertNotIn("Néant", text)

    def test_a_period_that_ends_before_it_begins_is_refused(self):
        with self.assertRaisesRegex(AssertionError, "--until|--from"):
            self.server.run("report", "execution-report", "--from", "2022-12-31", "--until",
                            "2022-01-01", "--html", self.server.path("refused.html"))
        self.assertFalse(os.path.exists(self.server.path("refused.html")))


class ASimulatedHistory(OfAnyHistory, unittest.TestCase):
    """Reversals, late entries, refused carry-overs, accruals, corrections, several years."""

    @classmethod
    def setUpClass(cls):
        cls.server = SigningServer(simulated=(11, 1500, 2))
        agreement = cls.server.csv("list", "agreements")[0]["agreement_id"]
        cls.options = ("--agreement", agreement, "--from", "2021-01-01", "--until", "2023-12-31")
        cls.paths = report(cls.server, *cls.options)

    def explained(self, section, figure, *names):
        """The shares of a figure; they must add up to what the report's table says of the row."""
        rows = self.server.csv("explain", "execution-report", figure, "--section", section,
                               *self.options, *names)
        return sum((Decimal(row["cents"]) for row in rows), Decimal(0))

    def test_one_step_leads_from_a_figure_to_its_events(self):
        def table(section):
            return self.server.csv("report", "execution-report", *self.options, "--section", section)
        month = next(row for row in table("months") if Decimal(row["cp_paid"]) != 0)
        self.assertEqual(self.explained("months", "cp_paid", "--year", month["fiscal_year"],
                                        "--month", month["month"]), Decimal(month["cp_paid"]))
        product = next(row for row in table("products") if Decimal(row["budget_difference"]) != 0)
        self.assertEqual(
            self.explained("products", "budget_difference", "--year", product["fiscal_year"],
                           "--product", product["product_id"]),
            Decimal(product["budget_difference"]))
        accrual = table("accruals")[0]
        self.assertEqual(
            self.explained("accruals", "accrued", "--commitment", accrual["commitment_id"],
                           "--line", accrual["line_id"]), Decimal(accrual["accrued"]))

    def test_another_rows_identifier_is_not_passed_over(self):
        with self.assertRaisesRegex(AssertionError, "UNKNOWN_FIGURE"):
            self.server.run("explain", "execution-report", "cp_paid", *self.options, "--month", "3")

    def test_every_correction_has_its_reason(self):
        said = json.loads(self.server.run("report", "execution-report", *self.options, "--format",
                                          "json").stdout)["report"]
        rows = [row for _, row in Page(self.paths[0]).tables(
            "Contre-passations, écritures tardives et corrections")[0]]
        self.assertGreater(len(rows), 10)
        self.assertEqual([(row["Écriture"], row["Motif"]) for row in rows],
                         [(str(entry["position"]), entry.get("reason", entry.get("reason_reference", "")))
                          for entry in said["entries"]])


if __name__ == "__main__":
    unittest.main()
