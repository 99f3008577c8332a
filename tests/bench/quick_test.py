"""A run of denier-bench that is too small to say anything of speed: every figure is measured, in the
form that was promised, and everything that it reads back is right."""

import json
import pathlib
import subprocess
import sys
import tempfile

FIGURES = {
    "unary_vs_echo", "single_latency", "unary_vs_postgres", "hot_vs_postgres", "stream_vs_echo",
    "stream_vs_postgres", "append_vs_raw", "replay_vs_scan", "replay_vs_postgres", "report_vs_ledger",
    "bytes_per_event", "query_p99", "asof_p99", "start_vs_open", "start_rss_mib",
    "rebuild_interference", "merkle_cost", "growth_unary", "growth_query", "growth_start",
}

# Those that have a bound in the table.
BOUNDED = {
    "unary_vs_echo", "single_latency", "unary_vs_postgres", "hot_vs_postgres", "stream_vs_echo",
    "stream_vs_postgres", "replay_vs_postgres",
}


def main():
    bench = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="denier-test-") as folder:
        file = pathlib.Path(folder) / "figures.json"
        pathlib.Path(folder).chmod(0o755)  # PostgreSQL works below it as somebody else
        run = subprocess.run([bench, "--quick", "--seconds", "0.05", "--events", "10000", "--folder", folder,
                              "--json", file], stdout=subprocess.PIPE, text=True)
        print(run.stdout)
        run.check_returncode()
        figures = json.loads(file.read_text())
    assert FIGURES <= set(figures), f"missing: {FIGURES - set(figures)}"
    for name, figure in figures.items():
        assert set(figure) == {"value", "goal", "better", "unit"}, (name, figure)
        assert figure["value"] > 0, (name, figure)
        assert figure["better"] in ("higher", "lower"), (name, figure)
    lines = [line.split() for line in run.stdout.splitlines()]
    bounded = {name for (name, *_), bound in zip(lines, lines[1:]) if bound[0] == "at"}
    assert bounded == BOUNDED, bounded ^ BOUNDED
    for line in lines:
        assert line[0] != "at" or float(line[2]) > 0, line
    print(f"{len(figures)} figures")


if __name__ == "__main__":
    main()
