"""The cells in ClickHouse (chdb, ClickHouse in the process), in two ways.

`uniq_exact` is what one would write: window functions for the inheritance, then one GROUPING SETS
query with `uniqExactIf` for every distinct count.

`tuned` is the fastest that was found. What was tried on the way, on one core, 975,000 events:
* explicit plain `String` columns and an `Enum8` for `type` read twice as fast as `LowCardinality`;
* `LIMIT 1 BY` leaves repeated ids out while reading, before anything is written;
* an ASOF JOIN with the enters takes a fifth of the time of windows over all events;
* a 64-bit hash stands for session and viewer (`uniqExact` itself counts strings by a hash);
* `uniqExactIf` and `groupBitmapIf` per cell cost more than everything before them. Counting flags
  in a second stage over one row per viewer and bucket serves six breakdowns at once; only viewers
  with several attributions in a bucket (`mixed`) go through a stage per breakdown;
* GROUPING SETS and ARRAY JOIN take the same time there.
"""

import importlib.metadata
import json
import shutil
import tempfile

from chdb import session as chdb_session

from cells import COUNTS, DISTINCT, ITEM_TYPES, LISTED, METRICS, NO_VIEWER, SILENT_TYPES, SUMS, TYPES

VERSION = importlib.metadata.version("chdb")
DIMENSIONS = ("channel", "source", "fan", "region", "device")
# What is absent reads as '' (no id or label is empty), 0 or NULL.
SCHEMA = """event_id String, type {type}, ts UInt64, session_id String, user_id String,
    source String, channel String, is_fan Nullable(Bool), region String, device String,
    suspect Bool, item_id String, count Nullable(UInt64), amount_fen UInt64, quantity UInt64"""


def quoted(names):
    return ", ".join(f"'{name}'" for name in names)


NO_VIEWERS, SILENT, ITEMS = quoted(NO_VIEWER), quoted(SILENT_TYPES), quoted(ITEM_TYPES)
COUNTED = (*COUNTS.values(), "like", "follow")
ENUM = "Enum8(" + ", ".join(f"'{name}' = {index}" for index, name in enumerate(TYPES)) + ")"
READ = """SELECT rowNumberInAllBlocks() AS pos, * FROM file('{path}', 'JSONEachRow', '{schema}')
    WHERE type != 'beat' LIMIT 1 BY session_id, event_id"""
# All keys of a row but the room's.
KEYS = ", ".join(f"('{name}', {name})" for name in DIMENSIONS)


def read(path):
    schema = SCHEMA.format(type=ENUM).replace("'", "\\'")
    return READ.format(path=path, schema=schema)


def create(table, query):
    return f"CREATE TABLE {table} ENGINE = Memory AS {query}"


def value_of(field):
    return "ifNull(count, 1)" if field == "count" else field


def fan(is_fan, followed):
    return f"multiIf({is_fan} IS NULL, 'unknown', {is_fan}, 'fan', {followed}, 'new_fan', 'guest')"


def source(value):
    return f"multiIf({value} = '', 'unknown', {value} IN ({quoted(LISTED)}), {value}, 'other')"


def uniq_exact(path):
    figures = [f"countIf(type = '{kind}') AS {metric}" for metric, kind in COUNTS.items()]
    figures += [f"sumIf({value_of(field)}, type = '{kind}') AS {metric}" for metric, (kind, field) in SUMS.items()]
    figures += [f"uniqExactIf(user_id, type IN ({quoted(kinds)})) AS {metric}" for metric, kinds in DISTINCT.items()]
    quality = "count() AS events, countIf(type = 'enter' AND suspect) AS suspect_views"
    none = "0 AS events, 0 AS suspect_views"

    def inherited(name):
        return (f"coalesce(nullIf({name}, ''), anyLast(if(type = 'enter', nullIf({name}, ''), NULL)) OVER so_far, "
                f"'{'' if name == 'source' else 'unknown'}') AS {name}_now")

    sets = ", ".join(f"(session_id, bucket, {name})" for name in DIMENSIONS)
    key = "multiIf(" + ", ".join(f"grouping({name}) = 0, '{name}'" for name in DIMENSIONS[:-1])
    key += f", '{DIMENSIONS[-1]}')"
    label = key.replace(f"'{DIMENSIONS[-1]}')", f"toString({DIMENSIONS[-1]}))")
    for name in DIMENSIONS[:-1]:
        label = label.replace(f"= 0, '{name}'", f"= 0, toString({name})")
    order = ", ".join(METRICS)
    return [
        create("raw", f"SELECT *, intDiv(ts, 10000) * 10000 AS bucket, type NOT IN ({NO_VIEWERS}) AS has_viewer "
                      f"FROM ({read(path)})"),
        create("ev", f"""SELECT session_id, bucket, has_viewer, user_id, type, item_id, suspect, count, amount_fen,
            quantity, channel_now AS channel, {source('source_now')} AS source,
            {fan('is_fan_now', 'followed')} AS fan, region_now AS region, device_now AS device
            FROM (SELECT *, {", ".join(inherited(name) for name in ("channel", "source", "region", "device"))},
                    coalesce(is_fan, anyLast(if(type = 'enter', is_fan, NULL)) OVER so_far) AS is_fan_now,
                    max(type = 'follow') OVER so_far AS followed FROM raw
                WINDOW so_far AS (PARTITION BY session_id, user_id ORDER BY pos
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))"""),
        create("cells", f"""SELECT session_id, bucket, 'room' AS breakdown, 'room' AS key, {order}
            FROM (SELECT session_id, bucket, {", ".join(figures)}, {quality} FROM ev GROUP BY session_id, bucket)
            UNION ALL SELECT session_id, bucket, 'item', item_id, {order}
            FROM (SELECT session_id, bucket, item_id, {", ".join(figures)}, {none} FROM ev
                WHERE type IN ({ITEMS}) AND item_id != '' GROUP BY session_id, bucket, item_id)
            UNION ALL SELECT session_id, bucket, breakdown, key, {order}
            FROM (SELECT session_id, bucket, {key} AS breakdown, {label} AS key, {", ".join(figures)}, {none}
                FROM ev WHERE has_viewer GROUP BY GROUPING SETS ({sets}))"""),
    ]


def per_viewer(types=COUNTED):
    """The first stage: what one viewer adds to a cell."""
    figures = [f"countIf(type = '{kind}') AS n_{kind}" for kind in types]
    figures += [f"sumIf({value_of(field)}, type = '{kind}') AS s_{metric}"
                for metric, (kind, field) in SUMS.items() if kind in types]
    return ", ".join(figures)


def per_cell(types=COUNTED):
    """The second stage, over rows of which each is one viewer; in the order of `METRICS`."""
    figures = {metric: f"sum(n_{kind})" for metric, kind in COUNTS.items() if kind in types}
    figures |= {metric: f"sum(s_{metric})" for metric, (kind, _) in SUMS.items() if kind in types}
    for metric, kinds in DISTINCT.items():
        present = [f"n_{kind}" for kind in kinds if kind in types]
        if present:
            figures[metric] = f"countIf({' + '.join(present)} > 0)"
    return ", ".join(f"toUInt64({figures.get(metric, 0)}) AS {metric}" for metric in METRICS)


def again():
    return ", ".join(f"sum({name}) AS {name}" for name in figures_of_viewer().split(", "))


def figures_of_viewer():
    return ", ".join([*(f"n_{kind}" for kind in COUNTED), *(f"s_{metric}" for metric in SUMS)])


def tuned(path):
    so_far = "OVER (PARTITION BY v ORDER BY pos ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)"

    def inherited(name):
        return f"coalesce(nullIf(r.{name}, ''), e.{name}, '{'' if name == 'source' else 'unknown'}')"

    six = f"[('room', 'room'), {KEYS}] AS d"
    # One row per viewer and cell, for the viewers with several attributions in a bucket.
    mixed = f"""SELECT s, bucket, d.1 AS breakdown, d.2 AS key, {again()}
        FROM per_viewer ARRAY JOIN {six} WHERE (s, bucket, v) IN mixed GROUP BY s, bucket, breakdown, key, v"""
    return [
        create("raw", f"""SELECT pos, intDiv(ts, 10000) * 10000 AS bucket, session_id, cityHash64(session_id) AS s,
            cityHash64(session_id, user_id) AS v, type, item_id, source, channel, is_fan, region, device, suspect,
            count, amount_fen, quantity FROM ({read(path)})"""),
        create("sessions", "SELECT s, any(session_id) AS session_id FROM raw GROUP BY s"),
        create("enters", f"""SELECT v, pos, anyLast(is_fan) {so_far} AS is_fan,
            {", ".join(f"anyLast(nullIf({name}, '')) {so_far} AS {name}"
                       for name in ("channel", "source", "region", "device"))}
            FROM raw WHERE type = 'enter'"""),
        create("follows", "SELECT v, min(pos) AS pos FROM raw WHERE type = 'follow' GROUP BY v"),
        create("ev", f"""SELECT r.s AS s, r.bucket AS bucket, r.v AS v, r.type AS type, r.item_id AS item_id,
            {inherited('channel')} AS channel, {source(inherited('source'))} AS source,
            {fan('coalesce(r.is_fan, e.is_fan)', 'f.pos <= r.pos')} AS fan,
            {inherited('region')} AS region, {inherited('device')} AS device,
            r.count AS count, r.amount_fen AS amount_fen, r.quantity AS quantity
            FROM (SELECT * FROM raw WHERE type NOT IN ({NO_VIEWERS}, {SILENT})) AS r
            ASOF LEFT JOIN enters AS e ON r.v = e.v AND r.pos >= e.pos
            LEFT JOIN follows AS f ON r.v = f.v
            SETTINGS join_use_nulls = 1"""),
        create("per_viewer", f"""SELECT s, bucket, v, {", ".join(DIMENSIONS)}, {per_viewer()} FROM ev
            GROUP BY s, bucket, v, {", ".join(DIMENSIONS)}"""),
        "CREATE TABLE mixed (s UInt64, bucket UInt64, v UInt64) ENGINE = Set",
        "INSERT INTO mixed SELECT s, bucket, v FROM per_viewer GROUP BY s, bucket, v HAVING count() > 1",
        create("cells_of_s", f"""SELECT s, bucket, breakdown, key, {per_cell()} FROM (
                SELECT s, bucket, d.1 AS breakdown, d.2 AS key, {figures_of_viewer()}
                FROM per_viewer ARRAY JOIN {six} WHERE (s, bucket, v) NOT IN mixed
                UNION ALL {mixed})
            GROUP BY s, bucket, breakdown, key"""),
        f"""INSERT INTO cells_of_s SELECT s, bucket, 'item', item_id, {per_cell(COUNTED_FOR_ITEMS)} FROM (
                SELECT s, bucket, item_id, v, {per_viewer(COUNTED_FOR_ITEMS)} FROM ev
                WHERE type IN ({ITEMS}) AND item_id != '' GROUP BY s, bucket, item_id, v)
            GROUP BY s, bucket, item_id""",
        # The room's quality, then the names of the sessions.
        create("quality", """SELECT s, bucket, count() AS events,
            countIf(type = 'enter' AND suspect) AS suspect_views FROM raw GROUP BY s, bucket"""),
        # The names of the sessions and the room's quality come in when the cells are read.
        f"""CREATE VIEW cells AS SELECT n.session_id, c.bucket, c.breakdown, c.key,
                {", ".join(f"c.{metric}" for metric in METRICS[:-2])}, 0 AS events, 0 AS suspect_views
            FROM cells_of_s AS c JOIN sessions AS n ON n.s = c.s WHERE c.breakdown != 'room'
            UNION ALL SELECT n.session_id, q.bucket, 'room', 'room',
                {", ".join(f"c.{metric}" for metric in METRICS[:-2])}, q.events, q.suspect_views
            FROM quality AS q LEFT JOIN (SELECT * FROM cells_of_s WHERE breakdown = 'room') AS c
                ON q.s = c.s AND q.bucket = c.bucket
            JOIN sessions AS n ON n.s = q.s""",
    ]


COUNTED_FOR_ITEMS = tuple(kind for kind in COUNTED if kind in ITEM_TYPES)
VARIANTS = {"uniq_exact": uniq_exact, "tuned": tuned}


class Peer:
    """A database in memory, on one thread."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="tandem-chdb-")
        self.session = chdb_session.Session(self.folder)
        for setting in ("max_threads = 1", "max_insert_threads = 1", "max_parsing_threads = 1",
                        "input_format_parallel_parsing = 0",
                        "min_count_to_compile_aggregate_expression = 0"):
            self.session.query(f"SET {setting}")

    def run(self, statement):
        self.session.query(statement)

    def cells(self):
        answer = self.session.query("SELECT * FROM cells", "JSONCompactEachRow").bytes()
        return [json.loads(line) for line in answer.splitlines()]

    def close(self):
        self.session.close()
        shutil.rmtree(self.folder, ignore_errors=True)
