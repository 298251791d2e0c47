"""A client that a stranger writes from docs/signing.md and docs/keys.md alone: it has the page's own Python,
which it is given as `page`, and the standard library.

    python3 stranger.py URL READING_KEY SIGNING_KEY SIGNING_PAGE

Says what does not hold and ends with 1; silence and 0 else.
"""

import http.client
import importlib.util
import json
import re
import sys
import time
import urllib.parse

URL, READING, SIGNING, PAGE = sys.argv[1:]
HOST = urllib.parse.urlsplit(URL).netloc
TEXT = open(PAGE, encoding="utf-8").read()


def load(source):
    """The page's Python as a module."""
    page = importlib.util.module_from_spec(importlib.util.spec_from_loader("page", loader=None))
    exec(compile(source, PAGE, "exec"), page.__dict__)
    return page


page = load(re.search(r"```python\n(.*?)```", TEXT, re.S).group(1))
example_key = re.search(r"^tdm_\w+$", TEXT, re.M).group(0)


def equal(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} instead of {wanted!r}")


def check_vectors():
    """The page's client makes what the page's vectors say."""
    vectors = re.findall(r"```vector\n(.*?)```", TEXT, re.S)
    if len(vectors) < 4:
        sys.exit("the page has lost its vectors")
    for vector in vectors:
        lines = [line for line in vector.splitlines() if not line.startswith(">")]
        fields = dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in lines)
        headers = dict(re.findall(r"^header: ([a-z-]+): (.*)$", vector, re.M))
        made = page.authorization(
            example_key, fields["method"], fields["target"], headers, fields["body"].encode(),
            int(fields["timestamp"]), fields["nonce"])
        equal(fields["name"], made, fields["authorization"])


def send(method, target, headers, body=b""):
    connection = http.client.HTTPConnection(HOST, timeout=60)
    connection.putrequest(method, target, skip_host="host" in headers, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body or method == "POST":
        connection.putheader("content-length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    return answer.status, dict((name.lower(), value) for name, value in answer.getheaders()), json.loads(answer.read())


def signed(method, target, body=b"", more=None, **how):
    headers = {"host": HOST, **(more or {})}
    headers["authorization"] = page.authorization(SIGNING, method, target, headers, body, **how)
    return headers


def check_answers():
    """The table of answers on the page."""
    now = int(time.time() * 1000)
    start = {
        "event_id": "start", "type": "session_start", "ts": now, "session_id": "stranger", "anchor_id": "a17",
        "room_id": "r", "title": "t", "category": "c", "anchor_name": "n", "anchor_fans": 1, "content_type": "x",
        "region": "y",
    }
    enter = {"event_id": "e1", "type": "enter", "ts": now, "session_id": "stranger", "user_id": "u1"}
    body = "\n".join(map(json.dumps, (start, enter))).encode()
    extra = {"idempotency-key": '"batch-1"', "content-type": "application/x-ndjson"}
    first = signed("POST", "/v1/events", body, extra)
    status, headers, answer = send("POST", "/v1/events", first, body)
    equal("signed events", (status, answer.get("accepted")), (200, 2))
    token = headers["tandem-token"]

    status, headers, answer = send("POST", "/v1/events", first, body)
    equal("the same signed request again", status, 401)
    if "taken before" not in answer["detail"]:
        sys.exit(f"a replay is told otherwise: {answer}")
    for scheme in ("Bearer ", "Tandem-HMAC-SHA256 "):
        if scheme not in headers["www-authenticate"]:
            sys.exit(f"401 does not offer {scheme}: {headers}")
    status, headers, answer = send("POST", "/v1/events", signed("POST", "/v1/events", body, extra), body)
    equal("signed again, with its Idempotency-Key", (status, answer["accepted"], headers.get("idempotency-replayed")),
          (200, 2, "true"))

    def refused(what, headers, body=body, status=401):
        equal(what, send("POST", "/v1/events", headers, body)[0], status)

    refused("another body than was signed", signed("POST", "/v1/events", body, extra), body + b"\n")
    refused("90 s ago", signed("POST", "/v1/events", body, extra, timestamp=int(time.time()) - 90))
    unsigned = signed("POST", "/v1/events", body)
    refused("a header that must be signed is not", {**unsigned, "idempotency-key": '"batch-2"'})
    refused("a signing key as a bearer", {"host": HOST, "authorization": f"Bearer {SIGNING}"})
    other = signed("POST", "/v1/events", body, extra)
    other["authorization"] = other["authorization"][:-1] + ("0" if other["authorization"][-1] != "0" else "1")
    refused("a signature that does not fit", other)
    foreign = json.dumps({**start, "session_id": "foreign", "anchor_id": "a99"}).encode()
    refused("somebody else's session", signed("POST", "/v1/events", foreign), foreign, 403)

    target = "/v1/sessions/stranger/report?metrics=views&breakdowns="
    equal("a signature that may only write", send("GET", target, signed("GET", target))[0], 403)
    reading = {"host": HOST, "authorization": f"Bearer {READING}", "tandem-token": token}
    for _ in range(100):
        status, _, answer = send("GET", target, {**reading, "prefer": "fresh"})
        if status != 503:
            break
        time.sleep(0.2)
    equal("the report", (status, answer["metrics"]), (200, {"views": 1}))
    equal("events with a key that may only read", send("POST", "/v1/events", reading, body)[0], 403)
    equal("somebody else's session to read", send("GET", "/v1/sessions/foreign", reading)[0], 404)
    equal("an operator's page", send("GET", "/v1/deadletters", reading)[0], 403)


check_vectors()
check_answers()
