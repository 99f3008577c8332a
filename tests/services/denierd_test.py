"""The process denierd: what it says when it cannot start, and how it ends.

    denierd_test.py DENIERD
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.request

sys.path.insert(0, os.path.dirname(__file__))
from running_denierd import Denierd  # noqa: E402

DENIERD = pathlib.Path(sys.argv.pop(1)).resolve()
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


class StartTest(unittest.TestCase):

    def refuses(self, server, *words, code=1):
        """It says each of `words` on stderr, nothing on stdout, and ends with `code`."""
        self.assertEqual(server.run(), code, server.stderr)
        self.assertEqual(server.stdout, "")
        _, plain = server.log()
        for word in words:
            self.assertIn(word, "\n".join(plain))

    def test_data_folder_missing(self):
        with Denierd(DENIERD) as server:
            self.refuses(server, str(server.data), "--init")
            self.assertFalse(server.data.exists())

    def test_neither_tls_nor_development(self):
        with Denierd(DENIERD, "--init", development=False) as server:
            self.refuses(server, "--tls-ca", "--development")

    def test_tls_and_development(self):
        with Denierd(DENIERD, "--init", "--tls-ca", "/dev/null") as server:
            self.refuses(server, "exclude each other")

    def test_tls_files_that_cannot_be_read(self):
        with Denierd(DENIERD, "--init", "--tls-ca", "/none/ca", "--tls-cert", "/none/cert",
                     "--tls-key", "/none/key", development=False) as server:
            self.refuses(server, "/none/ca")

    def test_tls_files_that_are_not_pem(self):
        with Denierd(DENIERD, "--init", "--tls-ca", __file__, "--tls-cert", __file__,
                     "--tls-key", __file__, development=False) as server:
            self.refuses(server, "certificate")

    def test_development_is_loopback_only(self):
        for address in ("0.0.0.0:0", "[::]:0"):
            with Denierd(DENIERD, "--init", "--listen", address) as server:
                self.refuses(server, "--development", "loopback")
        with Denierd(DENIERD, "--init", "--listen", "localhost:0") as server:
            server.start()

    def test_malformed_addresses(self):
        for address in ("127.0.0.1", "127.0.0.1:", ":7163", "127.0.0.1:http"):
            with Denierd(DENIERD, "--init", "--listen", address) as server:
                self.refuses(server, "HOST:PORT")
            with Denierd(DENIERD, "--init", "--metrics", address) as server:
                self.refuses(server, "HOST:PORT")

    def test_flags_that_do_not_exist(self):
        with Denierd(DENIERD, "--no-such-flag") as server:
            self.refuses(server, "--no-such-flag", code=2)
        with Denierd(DENIERD, "--min-free-mib", "0") as server:
            self.refuses(server, "--min-free-mib", code=2)

    def test_unwritable_data_folder(self):
        # Root may write everywhere: be nobody, with a copy of denierd that nobody may run.
        with tempfile.TemporaryDirectory(prefix="denier-test-") as folder:
            os.chmod(folder, 0o755)
            popen = {}
            binary = DENIERD
            if os.geteuid() == 0:
                binary = pathlib.Path(shutil.copy(DENIERD, folder))
                popen = {"user": "nobody", "group": "nogroup", "extra_groups": []}
            data = pathlib.Path(folder) / "data"
            data.mkdir(mode=0o555)
            with Denierd(binary, "--init", data=data, **popen) as server:
                self.refuses(server, str(data))
            self.assertEqual(list(data.iterdir()), [])

    def test_data_folder_in_use(self):
        with Denierd(DENIERD, "--init") as first, Denierd(DENIERD, data=first.data) as second:
            first.start()
            self.refuses(second, str(first.data), str(first.process.pid))
            self.assertIsNone(first.process.poll())

    def test_port_in_use(self):
        with Denierd(DENIERD, "--init") as first:
            first.start()
            with Denierd(DENIERD, "--init", "--listen", first.address) as second:
                self.refuses(second, first.address, "in use")
            self.assertIsNone(first.process.poll())
            with Denierd(DENIERD, "--init", "--metrics", first.address) as second:
                self.refuses(second, first.address, "listens there")

    def test_newer_format(self):
        with Denierd(DENIERD, "--init") as server:
            server.start()
            server.process.terminate()
            server.end()
            format_file = server.data / "FORMAT"
            format_file.write_text("denier data folder, format 99\n")
            self.refuses(server, "format 99", "newer")

    def test_anchor_gone(self):
        with Denierd(DENIERD, "--init") as server:
            server.start()
            server.process.terminate()
            server.end()
            (server.data / "anchor").unlink()
            with Denierd(DENIERD, data=server.data) as again:
                self.refuses(again, "anchor")
            server.start()  # with --init, which somebody has to ask for

    def test_log_gone(self):
        with Denierd(DENIERD, "--init") as server:
            server.start()
            server.process.terminate()
            server.end()
            shutil.rmtree(server.data / "log")
            self.refuses(server, str(server.data))

    def test_log_file_that_cannot_be_written(self):
        with Denierd(DENIERD, "--init", "--log-file", "/dev/null/denierd.log") as server:
            self.refuses(server, "/dev/null/denierd.log")


class LifeTest(unittest.TestCase):

    def test_version(self):
        said = subprocess.run([DENIERD, "--version"], capture_output=True, text=True, check=True)
        self.assertRegex(said.stdout, r"^denierd \d+\.\d+\.\d+\n$")

    def test_stops_in_order_on_a_signal(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Denierd(DENIERD, "--init") as server:
                server.start()
                self.assertEqual(server.position, -1)
                server.process.send_signal(number)
                self.assertEqual(server.end(), 0)
                self.assertEqual(server.stdout, "")  # beyond the line that it was ready
                log, plain = server.log()
                self.assertEqual([line["event"] for line in log if line["event"] != "projections"],
                                 ["serving", "development_mode", "stopping", "stopped"])
                for line in log:
                    self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
                self.assertEqual([line["level"] for line in log if "development" in line["event"]],
                                 ["warning"])
                self.assertIn("DEVELOPMENT MODE", plain[0])

    def test_starts_again_after_a_kill(self):
        with Denierd(DENIERD, "--init") as server:
            server.start()
            server.process.kill()
            self.assertEqual(server.end(), -signal.SIGKILL)
            server.start()
            server.process.terminate()
            self.assertEqual(server.end(), 0)

    def test_log_file(self):
        with Denierd(DENIERD, "--init", "--log-file", "LOG") as server:
            log_file = pathlib.Path(server.folder.name) / "denierd.log"
            server.arguments[-1] = str(log_file)
            server.start()
            server.process.terminate()
            self.assertEqual(server.end(), 0)
            self.assertEqual(server.log()[0], [])
            self.assertIn("DEVELOPMENT MODE", server.stderr)
            self.assertIn('"event":"serving"', log_file.read_text())

    def test_metrics_over_http(self):
        # The default address may be a developer's own server's: take a port that was free just now.
        import socket
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = "127.0.0.1:%d" % probe.getsockname()[1]
        with Denierd(DENIERD, "--init", "--metrics", address) as server:
            server.start()
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as answer:
                text = answer.read().decode()
        for name in ("denier_head_position -1", "denier_queued_commands", "denier_batch_events",
                     "denier_sync_seconds", "denier_projection_lag_events 0",
                     "denier_started_time_seconds"):
            self.assertIn(name, text)

    def test_development_authority_starts_a_server(self):
        with Denierd(DENIERD, "--init", development=False) as server:
            authority = server.folder.name + "/ca"
            subprocess.run([REPOSITORY / "deploy/dev-ca", authority], check=True,
                           stdout=subprocess.DEVNULL)
            server.arguments += ["--tls-ca", f"{authority}/ca.pem",
                                 "--tls-cert", f"{authority}/server.pem",
                                 "--tls-key", f"{authority}/server.key"]
            server.start()
            server.process.terminate()
            self.assertEqual(server.end(), 0)
            self.assertNotIn("development", server.stderr)


if __name__ == "__main__":
    unittest.main()
