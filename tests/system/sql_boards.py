"""Boards once more, in SQL over raw events: an independent second opinion.

    sql_boards.py make FILE
        writes made-up events of every kind, in order, none late or doubled
    sql_boards.py check FILE URL KEY MOST AHEAD
        works out every board in DuckDB and holds the server's answers against it, for at most MOST hours, days, weeks
        and months each, in a zone that is AHEAD minutes ahead of UTC the whole year

Events are attributed, counted and split as the contract says (rules 6 to 11), without the program's own rows.
Left out: `session.online_peak`, which depends on where beats stand in the log, and `anchor.influence`, which
contains it.
"""

import itertools
import json
import random
import sys
import urllib.parse
import urllib.request
from fractions import Fraction

import duckdb

HOUR, DAY = 3_600_000, 86_400_000
BEGIN = 1_732_190_400_000
CATEGORIES, CONTENT, REGIONS = ["服饰", "food", "beauty"], ["sale", "talk"], ["zj", "四川", "gd", "unknown"]
FANS = [900, 9_999, 10_000, 150_000, 3_000_000, 20_000_000]


def make(file):
    """Sixteen days of some sessions a day, among them such as run over midnight."""
    chance = random.Random(7)
    events = []
    for day, number in itertools.product(range(16), range(4)):
        anchor = chance.randrange(12)
        session = f"s-{day}-{number}"
        start = BEGIN + day * DAY + chance.choice([0, 3_700_000, 14_000_000])
        lines = [dict(type="session_start", anchor_id=f"a{anchor}", room_id="r", title=f"T {session}", brand=None,
                      category=CATEGORIES[anchor % 3], anchor_name=f"A {anchor}", anchor_fans=FANS[anchor % 6] + day,
                      content_type=CONTENT[(anchor + day) % 2], region=REGIONS[number])]
        if anchor % 4:
            lines[0] |= dict(merchant_id=f"m{anchor % 4}", brand=f"b{anchor % 5}")
        at = [start]
        users = [f"u{chance.randrange(900)}" for _ in range(170)]
        for user in dict.fromkeys(users):
            # Steps of five seconds, mostly: each second of the log is a beat, and beats take their time.
            ts = start + chance.randrange(480) * 5_000
            enter = dict(type="enter", user_id=user)
            if chance.random() < 0.8:
                enter["region"] = chance.choice(REGIONS[:3])
            actions = [enter]
            for _ in range(chance.randrange(9)):
                item = f"i{chance.randrange(6)}"
                actions.append(chance.choice([
                    dict(type="comment", text="!"), dict(type="like", count=chance.randrange(5)), dict(type="like"),
                    dict(type="share"), dict(type="gift", amount_fen=chance.randrange(900)), dict(type="follow"),
                    dict(type="unfollow"), dict(type="heartbeat"), dict(type="enter", region=chance.choice(REGIONS)),
                    dict(type="item_exposure", item_id=item), dict(type="item_exposure", item_id=item),
                    dict(type="item_click", item_id=item), dict(type="cart_add", item_id=item), dict(type="leave"),
                    dict(type="order_paid", order_id="o", amount_fen=chance.randrange(90_000), quantity=chance.randrange(1, 4),
                         item_id=item, region=chance.choice([None, "gd"])),
                    dict(type="order_paid", order_id="o", amount_fen=100, quantity=1),
                    dict(type="order_refunded", order_id="o", amount_fen=70, item_id=item),
                    dict(type="presale_deposit", order_id="o", amount_fen=chance.randrange(500), item_id=item),
                    dict(type="presale_balance", order_id="o", amount_fen=300, item_id=item),
                ]))
            for action in actions:
                lines.append(dict(user_id=user) | action)
                at.append(ts)
                ts += chance.choice([0, 5_000, 20_000, 90_000, 90_001, 400_000])
        lines.append(dict(type="session_end"))
        at.append(max(at) + 1)
        events += [dict(ts=ts, session_id=session, event_id=str(index)) | line for index, (ts, line) in enumerate(zip(at, lines))]
    # In order of time, so that nothing is late; of equal times as they were made.
    events.sort(key=lambda event: event["ts"])
    with open(file, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in events)


def start_of(period, ts, zone):
    """The first millisecond of the period that `ts` lies in, and the first after it; `zone` is ahead of UTC."""
    if period == "hour":
        start = ts - (ts + zone) % HOUR
        return start, start + HOUR
    day = (ts + zone) // DAY
    if period == "day":
        return day * DAY - zone, (day + 1) * DAY - zone
    if period == "week":  # 1970-01-01 was a Thursday
        monday = day - (day + 3) % 7
        return monday * DAY - zone, (monday + 7) * DAY - zone
    first, after = duckdb.execute(
        "SELECT date_diff('day', DATE '1970-01-01', date_trunc('month', DATE '1970-01-01' + $1::INTEGER)::DATE), "
        "date_diff('day', DATE '1970-01-01', (date_trunc('month', DATE '1970-01-01' + $1::INTEGER) + INTERVAL 1 MONTH)::DATE)",
        [day],
    ).fetchone()
    return first * DAY - zone, after * DAY - zone


def prepare(file, zone=0):
    """Raw events with what viewers' events inherit, and cells: figures by session, stretch and key."""
    db = duckdb.connect()
    columns = dict(event_id="VARCHAR", type="VARCHAR", ts="BIGINT", session_id="VARCHAR", user_id="VARCHAR", item_id="VARCHAR",
                   region="VARCHAR", count="BIGINT", amount_fen="BIGINT", quantity="BIGINT", anchor_id="VARCHAR", category="VARCHAR",
                   content_type="VARCHAR", anchor_fans="BIGINT", merchant_id="VARCHAR", brand="VARCHAR")
    spelt = json.dumps(columns).replace('"', "'")
    db.execute(f"""
        CREATE TABLE raw AS SELECT row_number() OVER () AS n, *
            FROM read_json('{file}', format = 'newline_delimited', columns = {spelt});
        -- Rule 11: a session is what its last session_start says.
        CREATE TABLE sessions AS SELECT session_id, arg_max(anchor_id, n) AS anchor, arg_max(category, n) AS category,
                arg_max(content_type, n) AS content_type, arg_max(region, n) AS region, arg_max(anchor_fans, n) AS fans,
                max_by(coalesce(merchant_id, ''), n) AS merchant, max_by(coalesce(brand, ''), n) AS brand, arg_max(ts, n) AS started_at
            FROM raw WHERE type = 'session_start' GROUP BY session_id;
        -- Rule 7: what an event does not say is what the viewer's last enter said.
        CREATE TABLE events AS SELECT * REPLACE (
                coalesce(region, last_value(CASE WHEN type = 'enter' THEN region END IGNORE NULLS) OVER
                    (PARTITION BY session_id, user_id ORDER BY n), 'unknown') AS region),
                coalesce(lag(CASE WHEN type = 'leave' THEN 0 WHEN type = 'enter' THEN 1 END IGNORE NULLS) OVER
                    (PARTITION BY session_id, user_id ORDER BY n), 0) AS is_present
            FROM raw WHERE user_id IS NOT NULL;
        -- Rule 8: signs of life of those who are present.
        CREATE TABLE signs AS SELECT n, CASE WHEN is_present = 1 AND gap BETWEEN 0 AND 90000 THEN gap ELSE 0 END AS watch_ms FROM (
            SELECT n, is_present, ts - max(ts) OVER (PARTITION BY session_id, user_id ORDER BY n
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS gap
            FROM events WHERE is_present = 1 OR type = 'enter');
    """)
    figures = """
        count(*) FILTER (type = 'enter') AS views, count(DISTINCT user_id) FILTER (type = 'enter') AS viewers,
        coalesce(sum(watch_ms), 0)::BIGINT AS watch_ms,
        count(*) FILTER (type IN ('comment', 'share', 'gift')) AS counted,
        coalesce(sum(coalesce(count, 1)) FILTER (type = 'like'), 0)::BIGINT AS likes,
        count(DISTINCT user_id) FILTER (type IN ('comment', 'like', 'share', 'gift', 'follow')) AS interacting_users,
        count(DISTINCT user_id) FILTER (type = 'follow') AS new_fans, count(*) FILTER (type = 'unfollow') AS unfollows,
        count(*) FILTER (type = 'item_exposure') AS item_exposures, count(*) FILTER (type = 'item_click') AS item_clicks,
        count(*) FILTER (type = 'order_paid') AS orders, count(DISTINCT user_id) FILTER (type = 'order_paid') AS buyers,
        coalesce(sum(quantity) FILTER (type = 'order_paid'), 0)::BIGINT AS units,
        coalesce(sum(amount_fen) FILTER (type = 'order_paid'), 0)::BIGINT AS gmv_fen,
        coalesce(sum(amount_fen) FILTER (type = 'presale_deposit'), 0)::BIGINT AS deposit_fen
    """
    # Distinct users are counted by session and day (by session and hour for hours), then added up.
    for span, start in (("hour", f"ts - (ts + {zone}) % {HOUR}"), ("day", f"ts - (ts + {zone}) % {DAY}")):
        for split, key, only in (("room", "''", "true"), ("region", "region", "true"),
                                 ("item", "item_id", "item_id IS NOT NULL AND type IN ('item_exposure', 'item_click', 'cart_add', "
                                  "'order_paid', 'order_refunded', 'presale_deposit', 'presale_balance')")):
            db.execute(f"""CREATE TABLE {split}_{span} AS SELECT session_id, {start} AS start, {key} AS key, {figures}
                FROM events LEFT JOIN signs USING (n) WHERE {only} GROUP BY ALL""")
    return db


# Board → split, subject, of each subject (numerator, denominator), smallest sample.
SUMS = {
    "anchor.gmv": ("room", "anchor", "sum(gmv_fen)"), "anchor.watch_time": ("room", "anchor", "sum(watch_ms)"),
    "anchor.viewers": ("room", "anchor", "sum(viewers)"), "growth.new_fans": ("room", "anchor", "sum(new_fans)"),
    "session.gmv": ("room", "session_id", "sum(gmv_fen)"), "session.views": ("room", "session_id", "sum(views)"),
    "session.interactions": ("room", "session_id", "sum(counted + likes)"),
    "item.gmv": ("item", "key", "sum(gmv_fen)"), "item.units": ("item", "key", "sum(units)"),
    "item.deposit": ("item", "key", "sum(deposit_fen)"), "category.gmv": ("room", "category", "sum(gmv_fen)"),
    "brand.gmv": ("room", "nullif(brand, '')", "sum(gmv_fen)"),
    "merchant.new_fans": ("room", "nullif(merchant, '')", "sum(new_fans)"),
    "region.gmv": ("region", "key", "sum(gmv_fen)"), "region.viewers": ("region", "key", "sum(viewers)"),
}
RATES = {
    "anchor.interaction_rate": ("room", "anchor", "sum(interacting_users)", "sum(viewers)", 100),
    "session.conversion_rate": ("room", "session_id", "sum(buyers)", "sum(viewers)", 100),
    "session.gpm": ("room", "session_id", "1000 * sum(gmv_fen)", "sum(views)", 100),
    "item.click_rate": ("item", "key", "sum(item_clicks)", "sum(item_exposures)", 100),
    "category.conversion_rate": ("room", "category", "sum(buyers)", "sum(viewers)", 100),
}
OTHERS = ["anchor.fans", "growth.fan_rate_7d", "growth.gmv_7d", "growth.viewers_7d", "growth.rising", "region.preference"]
BOARDS = [*SUMS, *RATES, *OTHERS]
TIERS = {"nano": (0, 10_000), "micro": (10_000, 100_000), "mid": (100_000, 1_000_000), "macro": (1_000_000, 10_000_000),
         "mega": (10_000_000, 1 << 60)}


def grouped(db, split, span, subject, figures, where, start, end):
    query = f"""SELECT {subject} AS subject, {figures} FROM {split}_{span} JOIN sessions USING (session_id)
        WHERE start >= {start} AND start < {end} AND {where} AND {subject} IS NOT NULL GROUP BY 1"""
    return {row[0]: tuple(map(int, row[1:])) for row in db.execute(query).fetchall()}


def scores(db, board, period, start, end, moment, where, zone):
    """By subject the exact score."""
    span = "hour" if period == "hour" else "day"
    if board in SUMS:
        split, subject, of = SUMS[board]
        return {key: Fraction(of) for key, (of,) in grouped(db, split, span, subject, of, where, start, end).items()}
    if board in RATES:
        split, subject, of, per, least = RATES[board]
        found = grouped(db, split, span, subject, f"{of}, {per}", where, start, end)
        return {key: Fraction(of, per) for key, (of, per) in found.items() if per >= least}
    if board == "growth.rising":
        first = dict(db.execute("SELECT anchor, min(started_at) FROM sessions GROUP BY 1").fetchall())
        found = grouped(db, "room", span, "anchor", "sum(gmv_fen)", where, start, end)
        return {key: Fraction(of) for key, (of,) in found.items() if first[key] + 30 * DAY >= moment}
    if board.startswith("growth."):
        midnight = start_of("day", moment, zone)[0]
        figures = "sum(viewers), sum(gmv_fen), sum(new_fans)"
        last, before = (grouped(db, "room", "day", "anchor", figures, where, midnight - days * DAY, midnight - (days - 7) * DAY)
                        for days in (7, 14))
        found = {}
        for key, (viewers, gmv, fans) in before.items():
            now_viewers, now_gmv, now_fans = last.get(key, (0, 0, 0))
            if viewers < 100:
                continue
            if board == "growth.viewers_7d":
                found[key] = Fraction(now_viewers, viewers) - 1
            elif board == "growth.gmv_7d" and gmv:
                found[key] = Fraction(now_gmv, gmv) - 1
            elif board == "growth.fan_rate_7d" and now_viewers >= 100:
                found[key] = Fraction(now_fans, now_viewers) - Fraction(fans, viewers)
        return found
    if board == "anchor.fans":
        latest = db.execute(f"""SELECT anchor, last(session_id ORDER BY started_at, session_id), last(fans ORDER BY started_at, session_id)
            FROM sessions WHERE started_at < {end} AND {where} GROUP BY 1""").fetchall()
        day = start_of("day", end - 1, zone)[0]
        found = {}
        for anchor, session, fans in latest:
            one = f"session_id = '{session}'"
            figures = "sum(new_fans), sum(unfollows)"
            whole = grouped(db, "room", "day", "anchor", figures, one, 0, day if period == "hour" else end)
            rest = grouped(db, "room", "hour", "anchor", figures, one, day, end) if period == "hour" else {}
            new, gone = (sum(part.get(anchor, (0, 0))[index] for part in (whole, rest)) for index in (0, 1))
            found[anchor] = Fraction(fans + new - gone)
        return found
    cells = db.execute(f"""SELECT key, category, sum(gmv_fen)::BIGINT, sum(orders)::BIGINT FROM region_{span}
        JOIN sessions USING (session_id) WHERE start >= {start} AND start < {end} AND {where} GROUP BY 1, 2""").fetchall()
    total = lambda place, of: {name: sum(cell[of] for cell in cells if cell[place] == name) for name in {cell[place] for cell in cells}}
    of_region, of_category, orders = total(0, 2), total(1, 2), total(0, 3)
    everything = sum(of_region.values())
    return {
        f"{region}:{category}": Fraction(gmv * everything, of_region[region] * of_category[category])
        for region, category, gmv, count in cells
        if orders[region] >= 100 and count >= 10 and of_region[region] and of_category[category]
    }


def listed(found):
    """Competition ranks, in the order of the ids' bytes."""
    rows = sorted(((key, score) for key, score in found.items() if score), key=lambda row: (-row[1], row[0].encode()))
    ranked = []
    for place, (key, score) in enumerate(rows, 1):
        ranked.append((ranked[-1][0] if ranked and ranked[-1][2] == score else place, key, score))
    return ranked


# How far back it is looked for how long somebody has been in the list.
PERIODS_MAX = 10


def in_a_row(db, board, period, start, edition, where, zone, ids):
    """For how many periods in a row each of these is listed, the one that begins at `start` included."""
    periods = dict.fromkeys(ids, 1)
    unbroken = set(ids)
    for _ in range(1, PERIODS_MAX):
        end = start
        start = start_of(period, start - 1, zone)[0]
        # What is not closed yet counts as it stands.
        moment = edition if edition < end + 600_000 else end
        unbroken &= {key for key, score in scores(db, board, period, start, end, moment, where, zone).items() if score}
        if not unbroken:
            break
        for key in unbroken:
            periods[key] += 1
    return periods


def condition(chosen):
    terms = ["true"]
    for name, value in chosen.items():
        if name == "fan_tier":
            terms.append(f"fans >= {TIERS[value][0]} AND fans < {TIERS[value][1]}")
        else:
            # The session's, not the viewers'.
            terms.append(f"sessions.{name} = '{value}'")
    return " AND ".join(terms)


def filters(db):
    """Single filters and all kinds of combinations, such as list something and such as hardly do."""
    tier = " ".join(f"WHEN fans < {end} THEN '{name}'" for name, (_, end) in TIERS.items())
    values = {name: [row[0] for row in db.execute(f"SELECT {of} FROM sessions GROUP BY 1 ORDER BY count(*) DESC, 1").fetchall()]
              for name, of in (("category", "category"), ("content_type", "content_type"), ("region", "region"),
                               ("fan_tier", f"CASE {tier} END"))}
    for number in range(1, len(values) + 1):
        for index, names in enumerate(itertools.combinations(values, number)):
            yield {name: values[name][index % len(values[name])] for name in names}


def spread(starts, most):
    """At most so many of them, from the first to the last."""
    most = min(most, len(starts))
    return [starts[index * (len(starts) - 1) // max(1, most - 1)] for index in range(most)]


def check(file, url, key, most, ahead):
    zone = int(ahead) * 60_000
    db = prepare(file, zone)
    moments = [row[0] for row in db.execute(f"SELECT DISTINCT ts - (ts + {zone}) % {HOUR} FROM raw ORDER BY 1").fetchall()]
    narrow = list(filters(db))

    def ask(path, chain):
        headers = {"Authorization": f"Bearer {key}", "Tandem-Chain": chain}
        with urllib.request.urlopen(urllib.request.Request(url + path, headers=headers), timeout=60) as answer:
            found = json.load(answer)
        del found["meta"]
        return found

    answers = rows = streaks = 0
    for period in ("hour", "day", "week", "month"):
        starts = spread(sorted({start_of(period, moment, zone)[0] for moment in moments}), int(most))
        filtered = set(spread(starts, max(1, min(3, int(most) // 6))))
        for start, board in itertools.product(starts, BOARDS):
            for chosen in [{}] + (narrow if start in filtered else []):
                query = urllib.parse.urlencode({"period": period, "at": start, "limit": 1000} | chosen)
                path = f"/v1/rankings/{board}?{query}"
                answer, other = ask(path, "a"), ask(path, "b")
                assert answer == other, f"the chains differ: {path}\n{answer}\n{other}"
                end = start_of(period, start, zone)[1]
                assert (answer["from"], answer["to"]) == (start, end), path
                edition = answer["edition"]
                moment = end if edition["state"] == "closed" else edition["at"]
                where = condition(chosen)
                found = listed(scores(db, board, period, start, end, moment, where, zone))
                before = {}
                # That edition is closed, and so counts, ten minutes after the period's end.
                if start in filtered and edition["at"] >= start + 600_000:
                    first = start_of(period, start - 1, zone)[0]
                    ranked = listed(scores(db, board, period, first, start, start, where, zone))
                    before = {key: rank for rank, key, _ in ranked}
                looks_back = start in filtered
                expected = [(rank, before.get(key), key, float(score)) for rank, key, score in found]
                got = [(row["rank"], row["previous_rank"] if looks_back else None, row["subject"]["id"], float(row["score"]))
                       for row in answer["rows"]]
                if looks_back and chosen in ({}, narrow[0]):
                    ids = [row["subject"]["id"] for row in answer["rows"]]
                    told = {row["subject"]["id"]: row["listed_periods"] for row in answer["rows"]}
                    counted = in_a_row(db, board, period, start, edition["at"], where, zone, ids)
                    assert told == counted, f"{path}\nserver {told}\nSQL    {counted}"
                    streaks += sum(1 for periods in counted.values() if periods > 1)
                assert got == expected[:1000] and answer["listed"] == len(expected), f"{path}\nserver {got[:5]}\nSQL    {expected[:5]}"
                answers, rows = answers + 1, rows + len(got)
    print(f"{answers} answers of {len(BOARDS)} boards with {rows} rows are as SQL says, on both chains; {streaks} are listed for longer")


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](*sys.argv[2:])
