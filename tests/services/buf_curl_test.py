"""A client that is not ours: buf curl lists the services by reflection, engages credits, and gets the
ErrorInfo of a refusal.

    buf_curl_test.py DENIERD BUF
"""

import base64
import json
import os
import pathlib
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))
from running_denierd import Denierd  # noqa: E402

DENIERD = pathlib.Path(sys.argv.pop(1)).resolve()
BUF = pathlib.Path(sys.argv.pop(1)).resolve()
PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"

MANAGER = ("pm-1", "DJEPVA", "programme_manager")
OFFICER = ("officer-2", "DINUM", "authorising_officer")


def header(request_id, day=20220301):
    return {"request_id": request_id, "agreement_id": "engagement-civique", "effective_date": day}


AGREEMENT = {
    "header": header("a-1", 20220101),
    "delegating_body": {"body_id": "DJEPVA", "label": "DJEPVA"},
    "managing_body": {"body_id": "DINUM", "label": "DINUM"},
    "programme": "163", "operational_budget": "163-CDJE", "operating_unit": "163-CDJE-STET",
    "signed_date": 20220101, "published_date": 20220101,
    "term": {"act_id": "engagement-civique", "valid_from": 20220101, "valid_until": 20221231},
    "ceilings": [{"fiscal_year": 2022, "ae_cents": 309941920, "cp_cents": 309941920}],
}
ENVELOPE = {
    "header": header("e-1"), "envelope_id": "coaching-2022", "label": "Coaching 2022",
    "managing_body_id": "DINUM", "accountant_ids": ["accountant-1"],
    "payable_origin_years": [2022],
}
CREDITS = {
    "header": header("c-1"), "envelope_id": "coaching-2022", "ae_cents": 18307200,
    "cp_cents": 18307200, "source": "CREDIT_SOURCE_INITIAL", "act_reference": "avenant-1",
}


def engage(request_id, cents):
    return {
        "header": header(request_id), "commitment_id": request_id, "envelope_id": "coaching-2022",
        "lines": [{"line_id": "l1", "amount_cents": cents}], "references": {"payee": "payee-1"},
    }


class BufCurlTest(unittest.TestCase):

    def setUp(self):
        self.server = Denierd(DENIERD, "--init").start()
        self.addCleanup(self.server.__exit__)
        self.url = "http://" + self.server.address

    def buf(self, *arguments):
        return subprocess.run(
            [BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments],
            capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False,
            # Neither a cache nor a configuration of the developer's.
            env={**os.environ, "XDG_CACHE_HOME": self.server.folder.name,
                 "HOME": self.server.folder.name})

    def call(self, who, method, request):
        principal, body, roles = who
        return self.buf(
            "--header", f"denier-principal: {principal}", "--header", f"denier-body: {body}",
            "--header", f"denier-roles: {roles}", "--data", json.dumps(request),
            f"{self.url}/denier.v1.{method}")

    def accepted(self, who, method, request):
        said = self.call(who, method, request)
        self.assertEqual(said.returncode, 0, said.stderr)
        return json.loads(said.stdout)

    def detail(self, error, kind):
        """The detail of this type. buf curl shows its bytes; buf convert knows what they say."""
        value, = [d["value"] for d in error["details"] if d["type"] == kind]
        said = subprocess.run(
            [BUF, "convert", PROTO, "--type", kind, "--from", "-#format=binpb",
             "--to", "-#format=json"],
            input=base64.b64decode(value + "=="), capture_output=True, check=True, timeout=120)
        return json.loads(said.stdout)

    def test_lists_the_services_by_reflection(self):
        said = self.buf("--list-services", self.url)
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertEqual(
            set(said.stdout.split()),
            {"denier.v1.AdminService", "denier.v1.AuditService", "denier.v1.CommandService",
             "denier.v1.QueryService", "grpc.health.v1.Health",
             "grpc.reflection.v1alpha.ServerReflection"})

    def test_asks_for_health(self):
        said = self.buf("--data", '{"service": "denier.v1.CommandService"}',
                        self.url + "/grpc.health.v1.Health/Check")
        self.assertEqual(said.returncode, 0, said.stderr)
        self.assertEqual(json.loads(said.stdout), {"status": "SERVING"})

    def test_engages_credits_and_is_told_why_not(self):
        self.accepted(MANAGER, "CommandService/CreateAgreement", AGREEMENT)
        self.accepted(MANAGER, "CommandService/CreateEnvelope", ENVELOPE)
        self.accepted(MANAGER, "CommandService/Allocate", CREDITS)
        engaged = self.accepted(OFFICER, "CommandService/Engage", engage("ec-1", 18307200))
        self.assertEqual(engaged["result"]["position"], "3")

        said = self.call(OFFICER, "CommandService/Engage", engage("ec-2", 1))
        self.assertNotEqual(said.returncode, 0)
        error = json.loads(said.stderr)
        self.assertEqual(error["code"], "failed_precondition")
        info = self.detail(error, "google.rpc.ErrorInfo")
        self.assertEqual(info["reason"], "AE_EXCEEDED")
        self.assertEqual(info["domain"], "denier")
        self.assertEqual(info["metadata"]["asked_cents"], "1")
        self.assertEqual(info["metadata"].get("available_cents"), "0")
        words = self.detail(error, "google.rpc.LocalizedMessage")
        self.assertEqual(words["locale"], "fr")
        self.assertIn("0,00\u00a0€ disponibles", words["message"])

        said = self.call(("officer-1", "DJEPVA", "authorising_officer"), "CommandService/Engage",
                         engage("ec-3", 1))
        self.assertEqual(json.loads(said.stderr)["code"], "permission_denied")

        read = self.accepted(
            OFFICER, "QueryService/GetEnvelope",
            {"header": {"agreement_id": "engagement-civique", "min_position": 3},
             "envelope_id": "coaching-2022"})
        self.assertEqual(read["position"], "3")
        self.assertEqual(read["years"][0]["aeEngaged"], "18307200")


if __name__ == "__main__":
    unittest.main()
