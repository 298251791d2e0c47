"""What a schema can't say, for the property tests: values that only this server's own answers hold, rules
between parameters, and bodies of lines.

Reads TANDEM_URL and TANDEM_KEY from the environment.
"""

import json
import os
import time
import urllib.request

import schemathesis
from hypothesis import strategies as st

URL, KEY = os.environ["TANDEM_URL"], os.environ["TANDEM_KEY"]


def get(path):
    request = urllib.request.Request(URL + path, headers={"Authorization": f"Bearer {KEY}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


SESSIONS = get("/v1/sessions?limit=5")
IDS = [session["id"] for session in SESSIONS["sessions"]]
ANCHORS = [session["anchor_id"] for session in SESSIONS["sessions"] if session["anchor_id"]]
DAYS_MAX_MS = 93 * 86_400_000
CURSORS = {
    "tandem-session-cursor": [get(f"/v1/sessions?limit={limit}")["next_cursor"] for limit in (1, 2)],
    "tandem-place-cursor": [get("/v1/deadletters?limit=1")["next_cursor"]],
    # Of an edition that nobody keeps: 404. Which one is kept changes every five seconds.
    "tandem-rank-cursor": ["cjEuMS4x"],
}
assert all(sum(CURSORS.values(), [])), "there are fewer sessions or rejected events than are needed"
TOKENS = [SESSIONS["meta"]["token"], get(f"/v1/sessions/{IDS[0]}/report")["meta"]["token"]]
ROOM_ONLY = {metric["id"] for metric in get("/v1/catalog/metrics")["metrics"] if metric["room_only"]}

schemathesis.openapi.format("tandem-token", st.sampled_from(TOKENS))
# Of all partitions, so of any session's; and a time that is over. In this order they are in time.
THEN = [str(SESSIONS["meta"]["as_of"]), TOKENS[0]]
schemathesis.openapi.format("tandem-then", st.sampled_from(THEN))
# Each can define that metric only.
FORMULAS = {
    "(gmv_fen-refund_fen)/orders": "aov_fen",
    "gmv_fen+deposit_fen": "net_gmv_fen",
    "max(deposits - balances - refunds, 0)": "open_deposits",
    "(likes+comments)/views": "interaction_rate",
}
schemathesis.openapi.format("tandem-formula", st.sampled_from(list(FORMULAS)))
for kind, cursors in CURSORS.items():
    schemathesis.openapi.format(kind, st.sampled_from(cursors))


@st.composite
def lines(draw):
    """Bodies of events that are all well-formed; some repeat, some are late."""
    names = st.text("abcXYZ019._:-", min_size=1, max_size=64)
    now = int(time.time() * 1000)
    events = []
    for _ in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["enter", "like", "comment", "gift", "leave", "follow"]))
        event = {
            "event_id": draw(names), "type": kind, "ts": now - draw(st.integers(0, 3_600_000)),
            "session_id": "fuzz-" + draw(st.sampled_from("abc")), "user_id": draw(names),
        }
        if kind == "comment":
            event["text"] = draw(st.text(max_size=100).filter(lambda text: text.isprintable()))
        if kind == "gift":
            event["amount_fen"] = draw(st.integers(0, 2**53 - 1))
        events.append(json.dumps(event))
    return "\n".join(events)


schemathesis.openapi.format("tandem-events", lines())


@schemathesis.hook
def before_load_schema(context, raw_schema):
    """Opaque values of the description's own examples are those of another server."""
    raw_schema["components"]["parameters"]["Token"]["example"] = TOKENS[0]
    # A cursor of an export is one of just the same other parameters; the demo is too small for a second part.
    export = raw_schema["paths"]["/v1/export/{table}"]["get"]
    export["parameters"] = [one for one in export["parameters"] if one.get("name") != "cursor"]
    for item in raw_schema["paths"].values():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                kind = parameter.get("schema", {}).get("format", "")
                if kind == "tandem-then":
                    parameter["example"] = TOKENS[0]
                if kind in CURSORS:
                    parameter["example"] = CURSORS[kind][0]


@schemathesis.serializer("application/x-ndjson")
def serialize_lines(context, value):
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "surrogatepass")


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Half of all calls about a session or an anchor are about one there is."""
    known = path_parameters.get("id") if path_parameters else None
    if isinstance(known, str) and known and len(known) % 2 == 0:
        operation = getattr(context, "operation", None)
        there = ANCHORS if operation is not None and "/anchors/" in operation.path else IDS
        path_parameters["id"] = there[len(known) % len(there)]
    return path_parameters


def listed(value):
    return set(value if isinstance(value, list) else str(value).split(","))


@schemathesis.hook
def filter_case(context, case):
    """Rules between two parameters, which the description tells in words."""
    query, path = case.query or {}, case.path_parameters or {}
    if case.operation.path.endswith("/trend"):
        try:
            if query.get("from") not in (None, "") and query.get("to") not in (None, ""):
                if int(query["from"]) >= int(query["to"]):
                    return False
        except (TypeError, ValueError):
            pass
        if query.get("by") not in (None, "") and listed(query.get("metrics", [])) & ROOM_ONLY:
            return False
    if case.operation.path.endswith("/explain") and query.get("to") not in (None, ""):
        # The first reading is not the later one.
        if query.get("from") != THEN[0] and query.get("to") == THEN[0] or query.get("from") == query["to"]:
            return False
    if case.operation.path == "/v1/catalog/difference":
        if query.get("metric") != FORMULAS.get(query.get("formula"), query.get("metric")):
            return False
    if case.operation.path == "/v1/anchors/{id}":
        try:
            if query.get("from") not in (None, "") and query.get("to") not in (None, ""):
                if not 0 < int(query["to"]) - int(query["from"]) <= DAYS_MAX_MS:
                    return False
        except (TypeError, ValueError):
            pass
    if case.operation.path.endswith("/compare") and path.get("id") in listed(query.get("with", [])):
        return False
    return True


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What is no failure."""
    content, kind = response.content or b"", type(failure).__name__
    # A GET with a body is refused before its method is looked at, since two servers could read it in two ways.
    if b'"violation":"body-on-read"' in content:
        return False
    # Who shows too many wrong keys is told to wait, before the next one is looked at.
    if response.status_code == 429 and b'"violated-policies":["failures"]' in content:
        return False
    # The same of a question that a check asks by itself, with a wrong key.
    if kind == "IgnoredAuth" and "got `429 Too Many Requests`" in failure.message:
        return False
    # Within the time that was allowed, one millisecond perhaps, there was no answer.
    if response.status_code == 504 and b":deadline-passed" in content:
        return False
    # A session that is computed again takes a while.
    if response.status_code == 503 and b":in-preparation" in content:
        return False
    # What a formula is, a pattern can't say: the description tells it in words, and the refusal why.
    if response.status_code == 400 and b"`formula` can't define" in content and kind == "RejectedPositiveData":
        return False
    # A header that nobody knows is ignored (RFC 9110, 5.1).
    unknown = {name.lower() for name in case.headers or {}} & {"x-schemathesis-unknown-property"}
    if unknown and kind == "AcceptedNegativeData":
        return False
    # A key that came with another body before can only be refused.
    is_reused = response.status_code == 422 and b":idempotency-key-reused" in content
    return not (is_reused and kind == "RejectedPositiveData")
