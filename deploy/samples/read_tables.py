#!/usr/bin/env python3
"""Prints a session's report from the CQL tables of one chain.

    pip install cassandra-driver
    python3 read_tables.py --hosts localhost --keyspace tandem_a --session s-20241121-0001

Which keyspace: that of the active chain, `route.active` in GET /v1/status. What a reader must do
stands in docs/partners.md. The same by hand, in cqlsh:

    CONSISTENCY LOCAL_QUORUM
    SELECT breakdown, key, views, viewers, gmv_fen, cut_next, writing_next FROM tandem_a.rows
        WHERE session_id = 's-20241121-0001' AND table_name = 'total';
"""

import argparse
import json
import sys
import time

from cassandra import ConsistencyLevel
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.query import dict_factory

import report

# The session itself, and the figures that only the room has.
SESSION = ("anchor_id room_id title category started_at ended_at state anchor_name anchor_fans "
           "content_type region merchant_id brand").split()
ROOM = ("online_viewers online_peak events late_events future_events duplicate_events "
        "malformed_events suspect_views").split()
FIGURES = ("exposures exposed_viewers views viewers page_views watch_ms comments commenters likes "
           "shares gifts gift_fen interacting_users new_fans unfollows item_exposures item_clicks "
           "item_click_users cart_adds orders buyers units gmv_fen refunds refund_fen deposits "
           "deposit_fen balances balance_fen").split()


def read(session, session_id, attempts=20):
    """The session's totals as of one moment."""
    # Rule: name the columns; new ones are added.
    columns = ", ".join(["breakdown", "key", "cut_next", "writing_next", *SESSION, *ROOM, *FIGURES])
    statement = session.prepare(
        f"SELECT {columns} FROM rows WHERE session_id = ? AND table_name = 'total'")
    for _ in range(attempts):
        # Rule: one query, by the partition key.
        rows = list(session.execute(statement, [session_id]))
        cuts = {row["cut_next"] for row in rows}
        # Rule: all rows of one cut, and none being written.
        if len(cuts) <= 1 and all((row["writing_next"] or 0) <= row["cut_next"] for row in rows):
            return rows
        time.sleep(0.05)
    sys.exit(f"session {session_id} is being written all the time: try again")


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--hosts", default="localhost", help="separated by commas")
    options.add_argument("--port", type=int, default=9042)
    options.add_argument("--keyspace", required=True)
    options.add_argument("--session", required=True)
    given = options.parse_args()
    profile = ExecutionProfile(consistency_level=ConsistencyLevel.LOCAL_QUORUM, row_factory=dict_factory)
    cluster = Cluster(given.hosts.split(","), port=given.port,
                      execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    try:
        rows = read(cluster.connect(given.keyspace), given.session)
    finally:
        cluster.shutdown()
    if not rows:
        sys.exit(f"no session {given.session} in {given.keyspace}")
    attributes = {name: rows[0][name] for name in SESSION}
    attributes["status"] = attributes.pop("state")
    totals = {}
    for row in rows:
        if row["breakdown"] == "room" or row["breakdown"] in report.BREAKDOWNS:
            names = FIGURES + ROOM if row["breakdown"] == "room" else FIGURES
            # Rule: null means 0.
            totals[row["breakdown"], row["key"]] = {name: row[name] or 0 for name in names}
    print(json.dumps(report.report(given.session, attributes, totals), ensure_ascii=False))


if __name__ == "__main__":
    main()
