"""The cells in DuckDB, in two ways.

`two_stage` is what one would write: window functions for the inheritance, then per breakdown first
one row per cell and user, then the cell, so that no distinct count is needed.

`tuned` is the fastest that was found. What was tried on the way, on one core, 975,000 events:
* `count(DISTINCT …)` per cell is several times slower than counting flags in a second stage;
* inheritance by intervals between enters and a hash join takes half of the time of an ASOF join
  or of windows over all events;
* finding the few repeated ids (`HAVING count(*) > 1`) and leaving them out is cheaper than
  numbering all rows;
* most viewers have one attribution within a bucket. So one row per viewer and bucket serves six
  breakdowns; only the viewers with several (`mixed`) go through a stage per breakdown. `FILTER`
  beats `CASE` and `count_if` in the first stage;
* one GROUPING SETS query takes a little longer than one query per breakdown.
"""

import duckdb

from cells import COUNTS, DISTINCT, ITEM_TYPES, LISTED, METRICS, NO_VIEWER
from cells import QUALITY as QUALITY_METRICS
from cells import SILENT_TYPES, SUMS

VERSION = duckdb.__version__
DIMENSIONS = ("channel", "source", "fan", "region", "device")
COLUMNS = """{event_id: 'VARCHAR', type: 'VARCHAR', ts: 'BIGINT', session_id: 'VARCHAR',
    user_id: 'VARCHAR', source: 'VARCHAR', channel: 'VARCHAR', is_fan: 'BOOLEAN',
    region: 'VARCHAR', device: 'VARCHAR', suspect: 'BOOLEAN', item_id: 'VARCHAR',
    count: 'BIGINT', amount_fen: 'BIGINT', quantity: 'BIGINT'}"""


def quoted(names):
    return ", ".join(f"'{name}'" for name in names)


NO_VIEWERS, SILENT, ITEMS = quoted(NO_VIEWER), quoted(SILENT_TYPES), quoted(ITEM_TYPES)
# Types whose number per viewer the first stage needs.
COUNTED = (*COUNTS.values(), "like", "follow")


def parse(path):
    return f"""CREATE TABLE raw AS SELECT row_number() OVER () AS pos,
        ts // 10000 * 10000 AS bucket, session_id,
        CASE WHEN type NOT IN ({NO_VIEWERS}) THEN user_id END AS user_id,
        * EXCLUDE (ts, session_id, user_id)
        FROM read_json('{path}', format = 'newline_delimited', columns = {COLUMNS})
        WHERE type <> 'beat'"""


def per_viewer(types=COUNTED):
    """The first stage: what one viewer adds to a cell."""
    counts = [f"(count(*) FILTER (type = '{kind}'))::INTEGER AS n_{kind}" for kind in types]
    sums = [
        f"coalesce(sum({value_of(field)}) FILTER (type = '{kind}'), 0)::BIGINT AS {metric}"
        for metric, (kind, field) in SUMS.items() if kind in types
    ]
    return ", ".join(counts + sums)


def value_of(field):
    return "coalesce(count, 1)" if field == "count" else field


def again(types=COUNTED):
    """The same figures of a viewer, added up over several rows."""
    sums = [f"sum(n_{kind})::INTEGER AS n_{kind}" for kind in types]
    sums += [f"sum({metric})::BIGINT AS {metric}" for metric, (kind, _) in SUMS.items() if kind in types]
    return ", ".join(sums)


def per_cell(types=COUNTED):
    """The second stage, over rows of which each is one viewer; in the order of `METRICS`."""
    figures = {}
    for metric, kind in COUNTS.items():
        if kind in types:
            figures[metric] = f"sum(n_{kind})"
    for metric, (kind, _) in SUMS.items():
        if kind in types:
            figures[metric] = f"sum({metric})"
    for metric, kinds in DISTINCT.items():
        present = [f"n_{kind}" for kind in kinds if kind in types]
        if present:
            figures[metric] = f"count(*) FILTER ({' + '.join(present)} > 0)"
    return ", ".join(f"({figures.get(metric, '0')})::BIGINT AS {metric}" for metric in METRICS)


QUALITY = """SELECT session_id, bucket, count(*) AS events,
    count(*) FILTER (type = 'enter' AND suspect) AS suspect_views FROM {events} GROUP BY ALL"""

FAN = """CASE {is_fan} WHEN true THEN 'fan'
    WHEN false THEN CASE WHEN {followed} THEN 'new_fan' ELSE 'guest' END ELSE 'unknown' END"""
SOURCE = f"CASE WHEN {{0}} IS NULL THEN 'unknown' WHEN {{0}} IN ({quoted(LISTED)}) THEN {{0}} ELSE 'other' END"


def two_stage(path):
    def inherited(name):
        return (f"coalesce({name}, last_value(CASE WHEN type = 'enter' THEN {name} END IGNORE NULLS) "
                f"OVER so_far)")

    events = f"""CREATE TABLE ev AS
        SELECT session_id, bucket, user_id, type, item_id, suspect, count, amount_fen, quantity,
            coalesce(channel, 'unknown') AS channel, {SOURCE.format('source')} AS source,
            coalesce(region, 'unknown') AS region, coalesce(device, 'unknown') AS device,
            {FAN.format(is_fan='is_fan', followed='followed')} AS fan
        FROM (SELECT * REPLACE ({", ".join(f"{inherited(name)} AS {name}" for name in
                                           ("channel", "source", "is_fan", "region", "device"))}),
                coalesce(bool_or(type = 'follow') OVER so_far, false) AS followed
            FROM (FROM raw QUALIFY row_number() OVER (PARTITION BY session_id, event_id ORDER BY pos) = 1)
            WINDOW so_far AS (PARTITION BY session_id, user_id ORDER BY pos
                ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW))"""
    keys = {"room": ("'room'", "true"),
            "item": ("item_id", f"item_id IS NOT NULL AND type IN ({ITEMS})"),
            **{name: (name, "user_id IS NOT NULL") for name in DIMENSIONS}}
    cells = [
        f"""SELECT session_id, bucket, '{breakdown}', key, {per_cell()} FROM (
            SELECT session_id, bucket, {key} AS key, user_id, {per_viewer()} FROM ev
            WHERE {where} GROUP BY ALL) GROUP BY session_id, bucket, key"""
        for breakdown, (key, where) in keys.items()
    ]
    return [parse(path), events, *with_quality(" UNION ALL ".join(cells), "ev")]


def with_quality(cells, events):
    """The table of all cells; the room's get the quality metrics too."""
    names = ", ".join(("session_id", "bucket", "breakdown", "key", *METRICS))
    return [
        f"CREATE TABLE cells AS SELECT * FROM ({cells}) AS c({names})",
        f"""UPDATE cells SET events = q.events, suspect_views = q.suspect_views
            FROM ({QUALITY.format(events=events)}) q
            WHERE breakdown = 'room' AND cells.session_id = q.session_id AND cells.bucket = q.bucket""",
    ]


def tuned(path):
    return [
        parse(path),
        # Repeated ids are few: find them, then the positions after their first.
        """CREATE TABLE repeats AS SELECT pos FROM raw SEMI JOIN
            (SELECT session_id, event_id FROM raw GROUP BY ALL HAVING count(*) > 1)
            USING (session_id, event_id)
            QUALIFY row_number() OVER (PARTITION BY session_id, event_id ORDER BY pos) > 1""",
        # What each enter leaves behind, from its position to that of the viewer's next.
        f"""CREATE TABLE enters AS SELECT session_id, user_id, pos AS from_pos,
            coalesce(lead(pos) OVER viewer, {2**62}) AS to_pos,
            {", ".join(f"last_value({name} IGNORE NULLS) OVER so_far AS {name}" for name in
                       ("channel", "source", "is_fan", "region", "device"))}
            FROM raw ANTI JOIN repeats USING (pos) WHERE type = 'enter'
            WINDOW viewer AS (PARTITION BY session_id, user_id ORDER BY pos),
                so_far AS (PARTITION BY session_id, user_id ORDER BY pos
                    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)""",
        """CREATE TABLE follows AS SELECT session_id, user_id, min(pos) AS pos
            FROM raw ANTI JOIN repeats USING (pos) WHERE type = 'follow' GROUP BY ALL""",
        f"""CREATE TABLE ev AS SELECT r.session_id, r.bucket, r.user_id, r.type, r.item_id,
            coalesce(r.channel, e.channel, 'unknown') AS channel,
            {SOURCE.format('coalesce(r.source, e.source)')} AS source,
            {FAN.format(is_fan='coalesce(r.is_fan, e.is_fan)', followed='f.pos <= r.pos')} AS fan,
            coalesce(r.region, e.region, 'unknown') AS region,
            coalesce(r.device, e.device, 'unknown') AS device,
            r.suspect, r.count, r.amount_fen, r.quantity
            FROM raw r ANTI JOIN repeats USING (pos)
            LEFT JOIN enters e ON e.session_id = r.session_id AND e.user_id = r.user_id
                AND r.pos >= e.from_pos AND r.pos < e.to_pos
            LEFT JOIN follows f ON f.session_id = r.session_id AND f.user_id = r.user_id
            WHERE type NOT IN ({SILENT}) AND r.user_id IS NOT NULL""",
        f"""CREATE TABLE per_viewer AS SELECT session_id, bucket, user_id, {", ".join(DIMENSIONS)},
            {per_viewer()} FROM ev GROUP BY ALL""",
        """CREATE TABLE mixed AS SELECT session_id, bucket, user_id FROM per_viewer
            GROUP BY ALL HAVING count(*) > 1""",
        "CREATE TABLE mixed_rows AS FROM per_viewer SEMI JOIN mixed USING (session_id, bucket, user_id)",
        """DELETE FROM per_viewer USING mixed m WHERE per_viewer.session_id = m.session_id
            AND per_viewer.bucket = m.bucket AND per_viewer.user_id = m.user_id""",
        *tuned_cells(),
    ]


def tuned_cells():
    figures = ", ".join([*(f"n_{kind}" for kind in COUNTED), *SUMS])

    def viewers_by(key):
        """One row per viewer and cell: as they are, and the mixed ones added up per key."""
        return f"""(SELECT session_id, bucket, {key} AS key, {figures} FROM per_viewer
            UNION ALL SELECT * EXCLUDE (user_id) FROM (
                SELECT session_id, bucket, {key} AS key, user_id, {again()} FROM mixed_rows GROUP BY ALL))"""

    item_types = tuple(kind for kind in COUNTED if kind in ITEM_TYPES)
    cells = [f"""SELECT session_id, bucket, 'item' AS breakdown, item_id AS key, {per_cell(item_types)}
        FROM (SELECT session_id, bucket, item_id, user_id, {per_viewer(item_types)} FROM ev
            WHERE type IN ({ITEMS}) AND item_id IS NOT NULL GROUP BY ALL)
        GROUP BY session_id, bucket, item_id"""]
    cells += [f"""SELECT session_id, bucket, '{name}', key, {per_cell()} FROM {viewers_by(name)}
        GROUP BY session_id, bucket, key""" for name in DIMENSIONS]
    room = [f"q.{metric}" if metric in QUALITY_METRICS else f"coalesce(c.{metric}, 0)" for metric in METRICS]
    cells.append(f"""SELECT session_id, bucket, 'room', 'room', {", ".join(room)}
        FROM ({QUALITY.format(events="raw ANTI JOIN repeats USING (pos)")}) q
        LEFT JOIN (SELECT session_id, bucket, {per_cell()} FROM {viewers_by("''")}
            GROUP BY session_id, bucket) c USING (session_id, bucket)""")
    return [f"CREATE TABLE cells AS {' UNION ALL '.join(cells)}"]


VARIANTS = {"two_stage": two_stage, "tuned": tuned}


class Peer:
    """A database in memory, on one thread."""

    def __init__(self):
        self.connection = duckdb.connect(":memory:")
        self.connection.execute("SET threads = 1")

    def run(self, statement):
        self.connection.execute(statement)

    def cells(self):
        return self.connection.execute("FROM cells").fetchall()

    def close(self):
        self.connection.close()
