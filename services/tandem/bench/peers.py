#!/usr/bin/env python3
"""What a user might pick instead of the fold: the same aggregation in DuckDB and in ClickHouse.

    python3 peers.py --file EVENTS.ndjson[.zst|.gz] [--peer duckdb|chdb|all] [--runs 3] [--json OUT]
    python3 peers.py --check [--file SMALL.ndjson]

Measured is the way from the file's JSON lines to the 10 s cells of the seven breakdowns (see
cells.py), reading and parsing included, on one thread of one CPU. The file is unpacked before and
read once, so it stands in the page cache. Each peer has two variants: the SQL one would write, and
the fastest that was found; the better one of the best runs counts.

Every run is a process of its own. After the last one the peers' cells are compared with each other,
whatever the file; `--check` compares them with a plain recomputation too, which is slow.
Exit codes: 0 done, 1 cells differ, 2 usage, 77 a peer is not installed.
"""

import argparse
import gzip
import importlib.util
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing appears in the checkout

import cells  # noqa: E402

PEERS = ("duckdb", "chdb")
NOT_INSTALLED = 77  # what test runners take for "skipped"
HERE = pathlib.Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=pathlib.Path, help="events, one JSON object per line; .zst and .gz too")
    parser.add_argument("--peer", choices=(*PEERS, "all"), default="all")
    parser.add_argument("--runs", type=int, default=3, help="runs of each variant, the best counts (default 3)")
    parser.add_argument("--json", type=pathlib.Path, help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="compare with a plain recomputation instead of measuring")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs is at least 1")
    if not arguments.file and not arguments.check:
        parser.error("--file is needed")
    wanted = PEERS if arguments.peer == "all" else (arguments.peer,)
    missing = [name for name in wanted if importlib.util.find_spec(name) is None]
    if missing:
        print(f"skipped: {' and '.join(missing)} not installed here; run {HERE / 'setup_peers.sh'}, "
              "then use the Python it names", file=sys.stderr)
        return NOT_INSTALLED
    with tempfile.TemporaryDirectory(prefix="tandem-peers-") as folder:
        try:
            path = unpacked(arguments.file, pathlib.Path(folder)) if arguments.file else sample(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"can't read {arguments.file}: {error}", file=sys.stderr)
            return 2
        return check(path, wanted) if arguments.check else measure(path, wanted, arguments)


def unpacked(file, folder):
    """The file as plain lines."""
    if file.suffix not in (".gz", ".zst"):
        file.open("rb").close()
        return file.resolve()
    path = folder / "events.ndjson"
    with path.open("wb") as plain:
        if file.suffix == ".gz":
            with gzip.open(file) as packed:
                shutil.copyfileobj(packed, plain)
        else:
            with file.open("rb") as packed:
                import zstandard  # installed with the peers
                zstandard.ZstdDecompressor().copy_stream(packed, plain)
    return path


def sample(folder):
    """A small generated file, with what a generator would not do on purpose put in."""
    path = pathlib.Path(folder) / "sample.ndjson"
    made = subprocess.run(
        [sys.executable, HERE / "make_events.py", "--events", "20000", "--sessions", "4", "--seed", "7"],
        check=True, capture_output=True, text=True)
    rng = random.Random(7)
    with path.open("w", encoding="utf-8") as lines:
        for line in made.stdout.splitlines():
            event = json.loads(line)
            if rng.random() < 0.15:  # attributes and fields that a type does not have, or null
                name = rng.choice(("source", "channel", "is_fan", "region", "device"))
                event[name] = None if rng.random() < 0.5 else (
                    rng.random() < 0.5 if name == "is_fan" else rng.choice(("unknown", "other", "new", "taobao")))
            if rng.random() < 0.05:
                event.setdefault("item_id", "item-000-00")
                event.setdefault("amount_fen", 77)
                event.setdefault("suspect", True)
            if rng.random() < 0.02:  # the same id in another form: the first counts
                lines.write(json.dumps({**event, "source": "search", "ts": event["ts"] + 30_000}) + "\n")
            if rng.random() < 0.01:
                second = event["ts"] // 1000
                lines.write(json.dumps({"type": "beat", "beat": second, "ts": second * 1000}) + "\n")
            lines.write(json.dumps(event, ensure_ascii=rng.random() < 0.5) + "\n")
    return path


def check(path, wanted):
    expected = cells.plain(path)
    for name in wanted:
        for variant in variants(name):
            found = in_process(name, variant, path, True)["cells"]
            difference = cells.compare("the plain method", expected, f"{name} ({variant})", found)
            if difference:
                print(f"WRONG: {difference}")
                return 1
            print(f"{name} ({variant}): {len(found):,} cells, all equal to the plain method's")
    return 0


def measure(path, wanted, arguments):
    with path.open("rb") as lines:
        events = sum(1 for line in lines if line.strip())
    print(f"{events:,} lines, {path.stat().st_size:,} bytes; one thread on one CPU; best of {arguments.runs} runs")
    # Variants take turns, so that a busy moment of the machine does not hit one of them alone.
    order = [(name, variant) for name in wanted for variant in variants(name)]
    runs = {which: [] for which in order}
    last = None
    for number in range(arguments.runs):
        for name, variant in order:
            done = in_process(name, variant, path, number + 1 == arguments.runs)
            runs[name, variant].append(done)
            found = (f"{name} ({variant})", done.pop("cells"))
            if found[1] is not None:
                difference = last and cells.compare(*last, *found)
                if difference:
                    print(f"WRONG: {difference}")
                    return 1
                last = found
    answer = {}
    for name in wanted:
        measured = {variant: best_of(runs[name, variant], events) for variant in variants(name)}
        for variant, figures in measured.items():
            print(f"  {name:<7} {variant:<11} {figures['events_per_second']:>9,} events/s "
                  f"{figures['seconds']:7.2f} s ({figures['cpu_seconds']:.2f} s CPU)")
        best = max(measured, key=lambda variant: measured[variant]["events_per_second"])
        version = runs[name, best][0]["version"]
        answer[name] = {**measured[best], "version": version, "variant": best, "variants": measured}
    figures = {"file": str(arguments.file), "events": events, "runs": arguments.runs, **answer,
               "cells": len(last[1]), "sums": sums(last[1])}
    print(f"  {len(last[1]):,} cells, the same from each of them")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


def best_of(runs, events):
    best = min(runs, key=lambda run: run["seconds"])
    return {"events_per_second": round(events / best["seconds"]), "seconds": round(best["seconds"], 3),
            "cpu_seconds": round(best["cpu_seconds"], 3)}


def sums(found):
    """All cells added up per breakdown and metric, for whoever wants to compare."""
    totals = {}
    for (_, _, breakdown, _), values in found.items():
        sums_of = totals.setdefault(breakdown, dict.fromkeys(cells.METRICS, 0))
        for metric, value in zip(cells.METRICS, values, strict=True):
            sums_of[metric] += value
    return totals


def variants(name):
    return list(importlib.import_module(f"peer_{name}").VARIANTS)


def in_process(name, variant, path, with_cells):
    """One run in a fresh process."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(run, (name, variant, str(path), with_cells))


def run(name, variant, path, with_cells):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    module = importlib.import_module(f"peer_{name}")
    with open(path, "rb") as file:
        while file.read(1 << 24):  # into the page cache
            pass
    peer = module.Peer()
    try:
        statements = module.VARIANTS[variant](path)
        wall, cpu = time.perf_counter(), time.process_time()
        for statement in statements:
            peer.run(statement)
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        found = cells.from_rows(peer.cells()) if with_cells else None
        return {"seconds": seconds, "cpu_seconds": cpu_seconds, "version": module.VERSION, "cells": found}
    finally:
        peer.close()


if __name__ == "__main__":
    sys.exit(main())
