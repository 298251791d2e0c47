"""Opens exported tables as partner teams do, and holds them against what is expected.

Argument: a folder with `TABLE-FORMAT/` as `tandem export` leaves it, and `expected.csv`: every total.
"""

import json
import pathlib
import sys

import duckdb
import pandas

FOLDER = pathlib.Path(sys.argv[1])
TABLES = sorted({path.name.rsplit("-", 1)[0] for path in FOLDER.glob("dws_*-csv")})
KEYS = ["session_id", "breakdown", "key", "bucket"]
SUMS = {"views", "watch_ms", "comments", "likes", "gift_fen", "orders", "units", "gmv_fen"}
assert len(TABLES) == 7, TABLES

db = duckdb.connect()
for table in TABLES:
    parquet = f"read_parquet('{FOLDER}/{table}-parquet/*.parquet')"
    db.execute(f"CREATE TABLE {table} AS SELECT * FROM {parquet}")
    types = dict(db.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall())
    for name, kind in types.items():
        number = "UBIGINT" if name not in {"bucket", "started_at", "ended_at"} else "TIMESTAMP WITH TIME ZONE"
        assert kind in {number, "VARCHAR"}, (table, name, kind)
    # Text formats are read with the types that Parquet says; moments are milliseconds there.
    text = {name: kind if kind in {"UBIGINT", "VARCHAR"} else "BIGINT" for name, kind in types.items()}
    rows = {name: name if kind in {"UBIGINT", "VARCHAR"} else f"epoch_ms({name})" for name, kind in types.items()}
    columns = json.dumps(text).replace('"', "'")
    csv = f"read_csv('{FOLDER}/{table}-csv/*.csv', header=true, columns={columns}, nullstr='', delim=',', quote='\"', escape='\"')"
    lines = f"read_json('{FOLDER}/{table}-json/*.ndjson', format='newline_delimited', columns={columns})"
    for other in (csv, lines):
        # An empty field of CSV may be null or an empty title: only the other formats tell them apart.
        def plain(name, cell):
            return f"nullif({cell}, '')" if other == csv and types[name] == "VARCHAR" else cell

        ours = f"SELECT {', '.join(plain(name, cell) for name, cell in rows.items())} FROM {table}"
        theirs = f"SELECT {', '.join(plain(name, name) for name in rows)} FROM {other}"
        for one, two in ((ours, theirs), (theirs, ours)):
            difference = db.execute(f"({one}) EXCEPT ALL ({two}) LIMIT 3").fetchall()
            assert not difference, (table, difference)
    count = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    frame = pandas.read_parquet(FOLDER / f"{table}-parquet")
    files = sorted((FOLDER / f"{table}-csv").glob("*.csv"))
    both = pandas.concat(pandas.read_csv(file, keep_default_na=False, na_values=[""]) for file in files)
    assert len(frame) == len(both) == count > 0, (table, len(frame), len(both), count)
    if "gmv_fen" in types:
        sums = [int(frame["gmv_fen"].sum()), int(both["gmv_fen"].sum())]
        assert sums == [db.execute(f"SELECT sum(gmv_fen) FROM {table}").fetchone()[0]] * 2, (table, sums)
    keys = [name for name in KEYS if name in types]
    repeated = db.execute(f"SELECT {', '.join(keys)} FROM {table} GROUP BY ALL HAVING count(*) > 1 LIMIT 3").fetchall()
    assert not repeated, (table, repeated)
    print(f"{table}: {count} rows")

# Every total is as expected, and there are no others.
numbers = "SELECT column_name FROM (DESCRIBE dws_total) WHERE column_type = 'UBIGINT'"
metrics = [name for (name,) in db.execute(numbers).fetchall() if name not in {"version", "log_partition"}]
types = {"session_id": "VARCHAR", "breakdown": "VARCHAR", "key": "VARCHAR"} | dict.fromkeys(metrics, "UBIGINT")
columns = json.dumps(types).replace('"', "'")
expected = f"read_csv('{FOLDER}/expected.csv', header=true, columns={columns}, delim=',', quote='\"', escape='\"')"
db.execute(f"CREATE TABLE expected AS FROM {expected}")
found = ", ".join(f"coalesce({name}, 0)" for name in metrics)
some = " + ".join(f"coalesce({name}, 0)" for name in metrics)
for one, two in (("expected", "dws_total"), ("dws_total", "expected")):
    query = f"SELECT session_id, breakdown, key, {found} FROM {{}} WHERE {some} > 0"
    difference = db.execute(f"({query.format(one)}) EXCEPT ALL ({query.format(two)}) LIMIT 3").fetchall()
    assert not difference, (one, difference)

# Trends, hours and days add up to totals.
for table in TABLES:
    if table in {"dws_session", "dws_total"}:
        continue
    names = {row[0] for row in db.execute(f"SELECT column_name FROM (DESCRIBE {table})").fetchall()}
    for name in sorted(SUMS & names):
        split = "breakdown IN ('room', 'item', 'region')"
        query = f"SELECT session_id, breakdown, key, sum({name}) FROM {{}} WHERE {split} GROUP BY ALL HAVING sum({name}) > 0"
        difference = db.execute(f"({query.format(table)}) EXCEPT ALL ({query.format('dws_total')}) LIMIT 3").fetchall()
        assert not difference, (table, name, difference)
print(f"{db.execute('SELECT count(*) FROM expected').fetchone()[0]} totals are as expected")
