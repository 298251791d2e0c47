"""Comparisons once more, in SQL over raw events: an independent second opinion.

    sql_comparisons.py FILE URL KEY MOST  for at most MOST sessions, each beside the three that follow it

Figures as they are and as of ten minutes after each start; differences, best and worst, minutes on both axes, the
anchor's own median, the share of the category's peers below. Of metrics it knows those that events of `sql_boards.py`
make.
"""

import json
import sys
import urllib.parse
import urllib.request

from sql_boards import DAY, prepare, spread

AT, MINUTE = 600_000, 60_000
COUNTS = {
    "views": "type = 'enter'", "comments": "type = 'comment'", "shares": "type = 'share'", "gifts": "type = 'gift'",
    "unfollows": "type = 'unfollow'", "item_exposures": "type = 'item_exposure'", "item_clicks": "type = 'item_click'",
    "cart_adds": "type = 'cart_add'", "orders": "type = 'order_paid'", "refunds": "type = 'order_refunded'",
    "deposits": "type = 'presale_deposit'", "balances": "type = 'presale_balance'",
}
SUMS = {
    "likes": ("coalesce(count, 1)", "like"), "gift_fen": ("amount_fen", "gift"), "units": ("quantity", "order_paid"),
    "gmv_fen": ("amount_fen", "order_paid"), "refund_fen": ("amount_fen", "order_refunded"),
    "deposit_fen": ("amount_fen", "presale_deposit"), "balance_fen": ("amount_fen", "presale_balance"),
}
USERS = {
    "viewers": "type = 'enter'", "commenters": "type = 'comment'", "new_fans": "type = 'follow'", "buyers": "type = 'order_paid'",
    "interacting_users": "type IN ('comment', 'like', 'share', 'gift', 'follow')", "item_click_users": "type = 'item_click'",
}
RATIOS = {
    "watch_ms_avg": (1, "watch_ms", "viewers"), "interaction_rate": (1, "interacting_users", "viewers"),
    "item_click_rate": (1, "item_clicks", "item_exposures"), "guide_rate": (1, "item_click_users", "viewers"),
    "fan_rate": (1, "new_fans", "viewers"), "conversion_rate": (1, "buyers", "viewers"), "aov_fen": (1, "gmv_fen", "orders"),
    "gpm_fen": (1_000, "gmv_fen", "views"),
}
STORED = [*COUNTS, *SUMS, *USERS, "watch_ms"]
METRICS = [*STORED, *RATIOS, "net_gmv_fen"]
LESS_IS_BETTER = ["unfollows", "refunds", "refund_fen"]


def tables(file):
    """Figures by session, and by session and minute."""
    db = prepare(file)
    figures = ", ".join(
        [f"count(*) FILTER ({where}) AS {name}" for name, where in COUNTS.items()]
        + [f"coalesce(sum({of}) FILTER (type = '{kind}'), 0)::BIGINT AS {name}" for name, (of, kind) in SUMS.items()]
        + [f"count(DISTINCT user_id) FILTER ({where}) AS {name}" for name, where in USERS.items()]
        + ["coalesce(sum(watch_ms), 0)::BIGINT AS watch_ms"])
    whole = f"SELECT session_id, {figures} FROM events LEFT JOIN signs USING (n) GROUP BY 1"
    minutes = f"SELECT session_id, ts - ts % {MINUTE}, {figures} FROM events LEFT JOIN signs USING (n) GROUP BY 1, 2"
    wholes = {row[0]: dict(zip(STORED, row[1:])) for row in db.execute(whole).fetchall()}
    by_minute = {}
    for session, minute, *row in db.execute(minutes).fetchall():
        by_minute.setdefault(session, {})[minute] = dict(zip(STORED, row))
    sessions = {row[0]: row[1:] for row in db.execute("SELECT session_id, anchor, category, started_at FROM sessions").fetchall()}
    span = f"SELECT session_id, min(ts - ts % {MINUTE}), max(ts - ts % {MINUTE}) FROM raw GROUP BY 1"
    spans = {row[0]: row[1:] for row in db.execute(span).fetchall()}
    return sessions, wholes, by_minute, spans, db.execute("SELECT max(ts) FROM raw").fetchone()[0]


NOTHING = dict.fromkeys(STORED, 0)


def derived(stored):
    """With what is computed from it; nothing where a part is not told, or the divisor is 0."""
    ratio = lambda factor, of, per: factor * of / per if None not in (of, per) and per else None
    found = {name: ratio(factor, stored[of], stored[per]) for name, (factor, of, per) in RATIOS.items()}
    return stored | found | {"net_gmv_fen": stored["gmv_fen"] - stored["refund_fen"]}


def marks(shown, name):
    told = [values[name] for values in shown if values[name] is not None]
    if not told or min(told) == max(told):
        return [None] * len(shown)
    low, high = ("best", "worst") if name in LESS_IS_BETTER else ("worst", "best")
    return [high if values[name] == max(told) else low if values[name] == min(told) else None for values in shown]


def median(values):
    values = sorted(value for value in values if value is not None)
    if not values:
        return None
    lower, upper = values[(len(values) - 1) // 2], values[len(values) // 2]
    return lower if lower == upper else (lower + upper) / 2


def percentile(value, peers):
    """In hundredths, half up; peers are (anchor, value)."""
    peers = [(anchor, peer) for anchor, peer in peers if None not in (peer, value)]
    if len(peers) < 5 or len({anchor for anchor, _ in peers}) < 5:
        return None
    halves = sum(2 if peer < value else 1 if peer == value else 0 for _, peer in peers)
    return (100 * halves + len(peers)) // (2 * len(peers)) / 100


def check(file, url, key, most):
    sessions, wholes, by_minute, spans, last = tables(file)
    order = sorted(sessions, key=lambda one: (sessions[one][2], one))

    def ask(path, chain):
        headers = {"Authorization": f"Bearer {key}", "Tandem-Chain": chain}
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=60) as answer:
            found = json.load(answer)
        clock = found.pop("meta")["as_of"]
        return found, clock

    def values(one, at):
        if at is None:
            return derived(wholes.get(one, NOTHING))
        counted = [row for minute, row in by_minute.get(one, {}).items() if minute < sessions[one][2] + at]
        summed = {name: None if name in USERS else sum(row[name] for row in counted) for name in STORED}
        return derived(summed)

    answers = 0
    for first in spread(order, int(most)):
        place = order.index(first)
        four = order[place : place + 4]
        for at, align in ((None, "clock"), (AT, "start")):
            query = {"metrics": ",".join(METRICS), "align": align} | ({"with": ",".join(four[1:])} if four[1:] else {})
            path = f"/v1/sessions/{first}/compare?{urllib.parse.urlencode(query | ({'at': at} if at else {}))}"
            (answer, clock), (other, _) = ask(path, "a"), ask(path, "b")
            assert answer == other, f"the chains differ: {path}\n{answer}\n{other}"
            found = answer["sessions"]
            told = [one["session"]["id"] for one in found]
            assert told[: len(four)] == four, path
            shown = [values(one, at) for one in told]
            for index, (one, said) in enumerate(zip(shown, found)):
                assert said["metrics"] == {name: one[name] for name in METRICS}, f"{path}\n{said['metrics']}\n{one}"
                for name in METRICS if index else []:
                    base, value = shown[0][name], one[name]
                    absolute = None if None in (base, value) else value - base
                    relative = absolute / abs(base) if absolute is not None and base else None
                    assert said["difference"][name] == {"absolute": absolute, "relative": relative}, (path, name, said["difference"][name])
            for name in METRICS:
                assert [one["marks"].get(name) for one in found] == marks(shown, name), (path, name)
            check_series(answer["series"], told, sessions, by_minute, spans, at, align, path)

            anchor, category, started_at = sessions[first]
            own = [one for one in reversed(order) if sessions[one][0] == anchor and sessions[one][2] < started_at][:20]
            newest = [one for one in reversed(order) if sessions[one][2] >= clock - 30 * DAY]
            peers = [one for one in newest if sessions[one][1] == category and sessions[one][0] != anchor][:100]
            usual = answer["usual"]
            assert usual["median_of"] == len(own), (path, usual["median_of"], len(own))
            for name in METRICS:
                expected = median([values(one, at)[name] for one in own])
                assert usual["median"][name] == expected, (path, name, usual["median"][name], expected)
                expected = percentile(shown[0][name], [(sessions[one][0], values(one, at)[name]) for one in peers])
                assert usual["percentile"][name] == expected, (path, name, usual["percentile"][name], expected)
            answers += 1
    print(f"{answers} comparisons of {len(METRICS)} metrics are as SQL says, on both chains")


def check_series(series, told, sessions, by_minute, spans, at, align, path):
    assert [one["key"] for one in series] == told, path
    for one in series:
        name = one["key"]
        start, (first, last) = sessions[name][2], spans[name]
        end = last + MINUTE if at is None else min(last + MINUTE, -(-(start + at) // MINUTE) * MINUTE)
        expected = []
        for minute in range(first, end, MINUTE):
            figures = derived(by_minute.get(name, {}).get(minute, NOTHING))
            expected.append({"t": minute} | {metric: figures[metric] for metric in METRICS})
        got = [{field: point[field] for field in ("t", *METRICS)} for point in one["points"]]
        assert got == expected, f"{path}\n{name}\n{got[:2]}\n{expected[:2]}"
        if align == "start":
            numbers = [point["minute"] for point in one["points"]]
            assert numbers == [(point["t"] - start // MINUTE * MINUTE) // MINUTE for point in one["points"]], path


if __name__ == "__main__":
    check(*sys.argv[1:])
