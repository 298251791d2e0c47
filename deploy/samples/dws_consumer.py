#!/usr/bin/env python3
"""Reads dws.live from nothing, keeps the latest rows, and prints a session's report.

    pip install confluent-kafka
    python3 dws_consumer.py --brokers localhost:9092 --session s-20241121-0001
    python3 dws_consumer.py --brokers localhost:9092 --follow

What a reader must do stands in docs/partners.md; each of its rules is marked below.
"""

import argparse
import json
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

import report

# What this program was built for; other schemas are passed over.
SCHEMAS = {"dws.live/session/1", "dws.live/row/1", "dws.live/marker/1"}


class Tables:
    """The latest rows. In memory here; a real reader keeps them, and its offsets, in a database."""

    def __init__(self):
        self.sessions = {}  # session id -> attributes
        self.rows = {}      # session id -> {(table, breakdown, key, bucket): metrics}
        self.markers = {}   # partition -> the last marker

    def apply(self, message):
        headers = {name: value.decode() for name, value in message.headers() or []}
        if headers.get("schema") not in SCHEMAS:
            return  # Rule: ignore what you do not know.
        key = json.loads(message.key())
        # Rule: a value of null withdraws the row.
        value = json.loads(message.value()) if message.value() is not None else None
        if key["type"] == "marker":
            self.markers[key["partition"]] = value
        elif key["type"] == "session":
            self.put(self.sessions, key["session_id"], value)
        elif key["type"] == "row":
            rows = self.rows.setdefault(key["session_id"], {})
            self.put(rows, (key["table"], key["breakdown"], key["key"], key["bucket"]), value)

    @staticmethod
    def put(table, key, value):
        # Rule: the latest message replaces the one before; twice does no harm.
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value

    def report(self, session_id):
        own = ("v", "version", "generation", "partition", "beat", "chain", "epoch", "definitions")
        session = {name: value for name, value in self.sessions[session_id].items() if name not in own}
        totals = {(breakdown, key): row["metrics"]
                  for (table, breakdown, key, _), row in self.rows[session_id].items() if table == "total"}
        return report.report(session_id, session, totals)


def open_consumer(brokers, topic):
    consumer = Consumer({
        "bootstrap.servers": brokers,
        # We keep our own place, so the group is only a name.
        "group.id": "dws-sample",
        "enable.auto.commit": False,
        # Rule: only committed transactions.
        "isolation.level": "read_committed",
        # Tells when we have caught up.
        "enable.partition.eof": True,
        # A place that is gone is an error, not a jump.
        "auto.offset.reset": "error",
    })
    found = consumer.list_topics(topic, timeout=10).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    partitions = sorted(found.partitions)
    # Rule: from nothing means from the beginning, every partition.
    consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
    return consumer, set(partitions)


def read(consumer, partitions, tables, seconds, on_marker=None):
    """Applies messages until every partition was read to its end (or for ever, with `on_marker`)."""
    behind, until = set(partitions), time.monotonic() + seconds
    while behind or on_marker:
        message = consumer.poll(0.2)
        if message is None:
            if behind and time.monotonic() > until:
                sys.exit(f"no end of partitions {sorted(behind)} within {seconds} s: are the brokers up?")
            continue
        error = message.error()
        if error is None:
            tables.apply(message)
            if on_marker and not behind and json.loads(message.key())["type"] == "marker":
                on_marker(json.loads(message.value()))
        elif error.code() == KafkaError._PARTITION_EOF:
            # Rule: caught up. The last message was a marker, so the rows are those of its beat.
            behind.discard(message.partition())
        elif error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:
            raise KafkaException(error)
        # Other errors are brokers that come back; the client reconnects by itself.


def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--brokers", default="localhost:9092", help="host:port, separated by commas")
    options.add_argument("--topic", default="dws.live")
    options.add_argument("--session", help="print this session's report; else a line per session")
    options.add_argument("--follow", action="store_true", help="go on, with a line per marker")
    options.add_argument("--seconds", type=float, default=60, help="how long catching up may take")
    given = options.parse_args()
    consumer, partitions = open_consumer(given.brokers, given.topic)
    tables = Tables()
    try:
        read(consumer, partitions, tables, given.seconds)
        if given.session is not None:
            if given.session not in tables.sessions:
                sys.exit(f"no session {given.session} in {given.topic}")
            print(json.dumps(tables.report(given.session), ensure_ascii=False))
        else:
            for session_id, session in sorted(tables.sessions.items()):
                rows = len(tables.rows.get(session_id, {}))
                print(f"{session_id}\t{session['status']}\t{session['title'] or ''}\t{rows} rows")
        if given.follow:
            def line(marker):
                print(f"partition {marker['partition']}: as of {marker['beat']} by chain {marker['chain']}",
                      flush=True)
            read(consumer, partitions, tables, given.seconds, on_marker=line)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


if __name__ == "__main__":
    main()
