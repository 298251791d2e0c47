"""What the peers compute, said once: the 10 s cells of the seven breakdowns, and the plain way there.

A cell is `(session, start of its 10 s bucket, breakdown, key)` with the stored metrics of the
contract's section 2 that are no gauge and need no presence (no `watch_ms`, no `online_*`). The
peers build their SQL from the lists below; `plain` computes the same with nothing but loops, and
`compare` names the first figure that differs.
"""

import json

BUCKET_MS = 10_000
LISTED = (
    "follow recommend ads shop search item_page live_square short_video share message "
    "private_domain activity external other unknown"
).split()
BREAKDOWNS = ("room", "item", "channel", "source", "fan", "region", "device")

# Metric: the event type it counts.
COUNTS = {
    "exposures": "exposure", "views": "enter", "page_views": "page_view", "comments": "comment",
    "shares": "share", "gifts": "gift", "unfollows": "unfollow",
    "item_exposures": "item_exposure", "item_clicks": "item_click", "cart_adds": "cart_add",
    "orders": "order_paid", "refunds": "order_refunded",
    "deposits": "presale_deposit", "balances": "presale_balance",
}
# Metric: the event type and the field it adds up.
SUMS = {
    "likes": ("like", "count"), "units": ("order_paid", "quantity"),
    "gift_fen": ("gift", "amount_fen"), "gmv_fen": ("order_paid", "amount_fen"),
    "refund_fen": ("order_refunded", "amount_fen"),
    "deposit_fen": ("presale_deposit", "amount_fen"),
    "balance_fen": ("presale_balance", "amount_fen"),
}
# Metric: the event types whose users it counts.
DISTINCT = {
    "exposed_viewers": ("exposure",), "viewers": ("enter",), "commenters": ("comment",),
    "interacting_users": ("comment", "like", "share", "gift", "follow"),
    "new_fans": ("follow",), "item_click_users": ("item_click",), "buyers": ("order_paid",),
}
# Quality, of the room alone.
QUALITY = ("events", "suspect_views")
METRICS = (*COUNTS, *SUMS, *DISTINCT, *QUALITY)

# Types that count for an item, where they carry one, and what they can add there.
ITEM_TYPES = ("item_exposure", "item_click", "cart_add", "order_paid", "order_refunded",
              "presale_deposit", "presale_balance")
# Types that carry a viewer but add to no metric that is computed here.
SILENT_TYPES = ("heartbeat", "leave")
TYPES = (
    "session_start session_end exposure enter heartbeat leave page_view comment like share gift "
    "follow unfollow item_list item_delist item_explain item_exposure item_click cart_add "
    "order_paid order_refunded presale_deposit presale_balance scene beat"
).split()
NO_VIEWER = ("session_start", "session_end", "item_list", "item_delist", "item_explain", "scene", "beat")


def of_type(event_type):
    """The count metrics, sums and distinct counts that a type adds to."""
    return (
        [metric for metric, counted in COUNTS.items() if counted == event_type],
        [(metric, field) for metric, (counted, field) in SUMS.items() if counted == event_type],
        [metric for metric, counted in DISTINCT.items() if event_type in counted],
    )


def plain(path):
    """The cells of a file, computed slowly: one loop, the rules as the contract says them."""
    adds = {event_type: of_type(event_type) for event_type in TYPES}
    seen, entered, followed, cells = set(), {}, set(), {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            kind = event["type"]
            if kind == "beat":
                continue
            session = event["session_id"]
            if (session, event["event_id"]) in seen:
                continue
            seen.add((session, event["event_id"]))
            keys, user = [("room", "room")], None
            if kind not in NO_VIEWER:
                user = event["user_id"]
                keys += viewer_keys(event, entered, followed)
                if kind in ITEM_TYPES and event.get("item_id") is not None:
                    keys.append(("item", event["item_id"]))
            bucket = event["ts"] // BUCKET_MS * BUCKET_MS
            counts, sums, distinct = adds[kind]
            for breakdown, key in keys:
                cell = cells.setdefault((session, bucket, breakdown, key), {})
                for metric in counts:
                    cell[metric] = cell.get(metric, 0) + 1
                for metric, field in sums:
                    value = event.get(field)
                    cell[metric] = cell.get(metric, 0) + (1 if value is None else value)
                for metric in distinct:
                    cell.setdefault(metric, set()).add(user)
                if breakdown == "room":
                    cell["events"] = cell.get("events", 0) + 1
                    if kind == "enter" and event.get("suspect"):
                        cell["suspect_views"] = cell.get("suspect_views", 0) + 1
    return dict(whole(key, cell) for key, cell in cells.items() if any(cell.values()))


def viewer_keys(event, entered, followed):
    """Attribution: the event's own, else that of the viewer's enters so far, else unknown."""
    viewer = (event["session_id"], event["user_id"])
    own = {name: event.get(name) for name in ("channel", "source", "is_fan", "region", "device")}
    if event["type"] == "enter":
        said = {name: value for name, value in own.items() if value is not None}
        entered[viewer] = {**entered.get(viewer, {}), **said}
    elif event["type"] == "follow":
        followed.add(viewer)
    before = entered.get(viewer, {})
    known = {name: before.get(name) if value is None else value for name, value in own.items()}
    fan = {True: "fan", False: "new_fan" if viewer in followed else "guest", None: "unknown"}
    source = known["source"]
    if source is None:
        source = "unknown"
    elif source not in LISTED:
        source = "other"
    keys = [(name, known[name] or "unknown") for name in ("channel", "region", "device")]
    return [*keys, ("source", source), ("fan", fan[known["is_fan"]])]


def whole(key, cell):
    counted = {metric: len(value) if isinstance(value, set) else value for metric, value in cell.items()}
    return key, tuple(counted.get(metric, 0) for metric in METRICS)


def from_rows(rows):
    """The cells of a peer's result: rows of session, bucket, breakdown, key, and the metrics."""
    cells = {}
    for session, bucket, breakdown, key, *values in rows:
        values = tuple(int(value or 0) for value in values)
        if any(values):
            name = (session, int(bucket), breakdown, key)
            if name in cells:
                raise ValueError(f"cell {name} stands there twice")
            cells[name] = values
    return cells


def compare(name, cells, other_name, other_cells):
    """None when both are equal, else a sentence that names the first difference."""
    for key in sorted(cells.keys() | other_cells.keys()):
        values, other_values = cells.get(key), other_cells.get(key)
        if values is None or other_values is None:
            return f"cell {key} is only in {name if other_values is None else other_name}"
        for metric, value, other_value in zip(METRICS, values, other_values, strict=True):
            if value != other_value:
                return f"cell {key}: {metric} is {value} in {name}, {other_value} in {other_name}"
    return None
