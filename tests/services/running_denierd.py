"""A denierd of its own for a test: free ports, a folder that goes away with it."""

import json
import pathlib
import re
import select
import subprocess
import tempfile


class Denierd:
    """Runs `binary` in development mode, unless `arguments` say otherwise.

    Use it in a `with`: on leaving, the process has ended and the folder is gone.
    """

    def __init__(self, binary, *arguments, data=None, development=True, **popen):
        self.binary = binary
        self.folder = tempfile.TemporaryDirectory(prefix="denier-test-")
        self.data = pathlib.Path(data or self.folder.name + "/data")
        self.arguments = [str(binary), "--data", str(self.data)]
        if development:
            self.arguments.append("--development")
        if "--listen" not in arguments:
            self.arguments += ["--listen", "127.0.0.1:0"]
        if "--metrics" not in arguments:
            self.arguments += ["--metrics", "off"]
        self.arguments += arguments
        self.popen = popen
        self.process = None
        self.stdout = self.stderr = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None:
            if self.process.poll() is None:
                self.process.kill()
            self.process.communicate()
        self.folder.cleanup()

    def start(self):
        """Returns once it serves; fails if it does not."""
        self._spawn()
        if not select.select([self.process.stdout], [], [], 60)[0]:
            raise AssertionError("not ready after a minute")
        line = self.process.stdout.readline()
        ready = re.fullmatch(r"denierd ready on (\S+:\d+) \(position (-?\d+)\)\n", line)
        if ready is None:
            self.end()
            raise AssertionError(f"not ready: {line!r} {self.stderr!r}")
        self.address, self.position = ready.group(1), int(ready.group(2))
        return self

    def end(self):
        """Waits for the process; returns its exit code. Then stdout and stderr are whole."""
        self.stdout, self.stderr = self.process.communicate(timeout=60)
        return self.process.returncode

    def run(self):
        """Starts it and waits for its end; returns the exit code."""
        self._spawn()
        return self.end()

    def log(self):
        """The lines of the log on stderr that are JSON, and those that are not."""
        lines = self.stderr.splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        return parsed, [line for line in lines if not line.startswith("{")]

    def _spawn(self):
        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL, **self.popen)
