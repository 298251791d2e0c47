"""A session's report, as GET /v1/sessions/{id}/report answers it, from rows.

The rows hold sums; everything else follows from them by the formulas that
GET /v1/catalog/metrics lists. Not there: `meta` (it belongs to an answer over HTTP) and `raw` (the
sources as they were sent are internal).
"""

BREAKDOWNS = ("item", "channel", "source", "fan", "region", "device")
# Keys of a closed set come in this order, others in that of their bytes.
ORDER = {
    "source": ("follow recommend ads shop search item_page live_square short_video share message "
               "private_domain activity external other unknown").split(),
    "fan": ["fan", "new_fan", "guest", "unknown"],
}
DISTINCT = ("exposed_viewers viewers commenters interacting_users new_fans item_click_users "
            "buyers").split()
# Distinct counts up to this are exact by definition.
EXACT_MAX = 4096


def ratio(numerator, *divisors, factor=1):
    def value(m):
        divisor = sum(m[name] for name in divisors)
        # As the API does it: both as floats.
        return float(factor * m[numerator]) / float(divisor) if divisor else None
    return value


COMPUTED = {
    "watch_ms_avg": ratio("watch_ms", "viewers"),
    "enter_rate": ratio("viewers", "exposed_viewers"),
    "interaction_rate": ratio("interacting_users", "viewers"),
    "item_click_rate": ratio("item_clicks", "item_exposures"),
    "guide_rate": ratio("item_click_users", "viewers"),
    "fan_rate": ratio("new_fans", "viewers"),
    "net_gmv_fen": lambda m: m["gmv_fen"] - m["refund_fen"],
    "conversion_rate": ratio("buyers", "viewers"),
    "aov_fen": ratio("gmv_fen", "orders"),
    "gpm_fen": ratio("gmv_fen", "views", factor=1000),
    "open_deposits": lambda m: max(m["deposits"] - m["balances"], 0),
}
# The session as a whole only.
COMPUTED_ROOM = {
    "late_share": ratio("late_events", "events", "late_events"),
    "suspect_share": ratio("suspect_views", "views"),
}


def figures(sums, is_room):
    computed = {**COMPUTED, **(COMPUTED_ROOM if is_room else {})}
    metrics = {**sums, **{name: formula(sums) for name, formula in computed.items()}}
    distinct = {name: {"value": sums[name], "exact": sums[name] <= EXACT_MAX} for name in DISTINCT}
    return {"metrics": metrics, "distinct": distinct}


def report(session_id, session, totals):
    """`session`: its attributes; `totals`: {(breakdown, key): {metric: value}}."""
    def rank(breakdown, key):
        order = ORDER.get(breakdown, [])
        return (order.index(key) if key in order else len(order), key.encode())

    breakdowns = {}
    for breakdown in BREAKDOWNS:
        keys = sorted((key for name, key in totals if name == breakdown),
                      key=lambda key: rank(breakdown, key))
        breakdowns[breakdown] = [{"key": key, **figures(totals[breakdown, key], False)} for key in keys]
    return {"session": {"id": session_id, **session},
            **figures(totals["room", "room"], True),
            "breakdowns": breakdowns}
