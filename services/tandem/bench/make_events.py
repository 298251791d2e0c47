#!/usr/bin/env python3
"""Writes a file of live-commerce events to measure with: big, made up, the same for the same seed.

Real sessions at hand exercise few of the event types, so figures measured on them say little
about orders, items or attribution. This generator plays viewers: each visit is an exposure, an
enter that carries the attributes, then heartbeats and what people do in a live room, mostly
without attributes (they are inherited), then a leave. Rooms differ in size (Zipf), so do users in
how often they come back, and items in how often they are looked at.

Everything comes from one seeded generator; no clock is read. Events stand in the order of their
arrival: `ts` plus a delay of up to four seconds, which no lateness bound is near.

    python3 make_events.py --events 975000 --sessions 40 --seed 1 > events.ndjson
"""

import argparse
import bisect
import heapq
import itertools
import json
import random
import sys

START_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z, a whole 5-minute bucket
SPREAD_MS = 2 * 3_600_000  # sessions begin within this span
SESSION_MS = 3_600_000
DELAY_MS_MAX = 4_000
HEARTBEAT_MS = 30_000

SOURCES = [
    ("recommend", 30), ("follow", 18), ("search", 9), ("live_square", 8), ("short_video", 8),
    ("ads", 6), ("shop", 5), ("item_page", 4), ("share", 3), ("message", 3),
    ("private_domain", 2), ("activity", 2), ("external", 1),
    ("banner", 0.6), ("qr_poster", 0.3), ("mini_game", 0.1),  # not listed: they count as `other`
]
CHANNELS = [("taobao", 45), ("diantao", 22), ("tmall", 14), ("external", 6), ("weibo", 5),
            ("alipay", 4), ("xiaohongshu", 2.5), ("web", 1.5)]
REGIONS = [
    "guangdong", "zhejiang", "jiangsu", "shandong", "henan", "sichuan", "hubei", "hunan", "hebei",
    "anhui", "fujian", "shanghai", "beijing", "shaanxi", "jiangxi", "liaoning", "chongqing",
    "guangxi", "yunnan", "shanxi", "guizhou", "heilongjiang", "jilin", "tianjin", "xinjiang",
    "neimenggu", "gansu", "hainan", "ningxia", "qinghai", "xizang", "hongkong", "macau", "taiwan",
]
DEVICES = [("iphone", 33), ("huawei", 17), ("xiaomi", 13), ("oppo", 11), ("vivo", 11),
           ("honor", 7), ("samsung", 3), ("ipad", 2.5), ("pc", 1.5), ("other_android", 1)]
CATEGORIES = ["beauty", "fashion", "food", "jewelry", "home", "digital", "baby", "sports"]

# What a viewer does between two heartbeats or so, and how often.
ACTIONS = [
    ("item_exposure", 21), ("like", 17), ("page_view", 12), ("comment", 11), ("item_click", 9),
    ("cart_add", 3), ("order_paid", 1.9), ("follow", 1.6), ("share", 1.1), ("gift", 0.8),
    ("presale_deposit", 0.4), ("order_refunded", 0.25), ("presale_balance", 0.2),
    ("unfollow", 0.15),
]
WORDS = ("how much is it", "link please", "love this color", "666", "来了来了", "多少钱",
         "has anyone tried it?", "size M left?", "主播好", "发货快吗", "great", "is it \"new\"")


def zipf(count, exponent):
    """Cumulative weights of `count` things, the first the most frequent."""
    return list(itertools.accumulate(1 / (rank + 1) ** exponent for rank in range(count)))


def pick(rng, cumulative):
    return bisect.bisect(cumulative, rng.random() * cumulative[-1])


class Choice:
    """A weighted choice."""

    def __init__(self, weighted):
        self.names = [name for name, _ in weighted]
        self.cumulative = list(itertools.accumulate(weight for _, weight in weighted))

    def __call__(self, rng):
        return self.names[pick(rng, self.cumulative)]


SOURCE, CHANNEL, DEVICE, ACTION = Choice(SOURCES), Choice(CHANNELS), Choice(DEVICES), Choice(ACTIONS)
REGION = Choice([(region, 1 / (rank + 3)) for rank, region in enumerate(REGIONS)])


class Session:
    """One broadcast: yields `(arrival, line)` in no order."""

    def __init__(self, rng, number, events, users):
        self.rng, self.number, self.events, self.users = rng, number, events, users
        self.id = f"s{number:04d}-{rng.getrandbits(32):08x}"
        self.start = START_MS + rng.randrange(SPREAD_MS)
        self.end = self.start + SESSION_MS
        self.items = [f"item-{number:03d}-{index:02d}" for index in range(60)]
        self.item_weights = zipf(60, 0.8)
        self.prices = [rng.randrange(990, 99_900) for _ in self.items]
        self.lines, self.next_id, self.fans = [], 0, {}

    def add(self, kind, ts, fields=None, attributes=None):
        rng = self.rng
        event = {"event_id": f"{self.number:x}-{self.next_id:06x}", "type": kind, "ts": ts,
                 "session_id": self.id}
        self.next_id += 1
        if fields:
            event.update(fields)
        if attributes:
            event.update(attributes)
        line = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
        arrival = ts + rng.randrange(DELAY_MS_MAX)
        self.lines.append((arrival, line))
        if rng.random() < 0.015:  # sent again by a client that heard no answer
            self.lines.append((arrival + rng.randrange(20_000), line))

    def item(self):
        return pick(self.rng, self.item_weights)

    def run(self):
        rng = self.rng
        category = rng.choice(CATEGORIES)
        self.add("session_start", self.start, {
            "anchor_id": f"anchor-{self.number:03d}", "room_id": f"room-{self.number:03d}",
            "title": f"{category} night {self.number}", "category": category,
            "anchor_name": f"主播{self.number}", "anchor_fans": rng.randrange(2_000, 3_000_000),
            "content_type": "sale", "region": REGION(rng), "brand": f"brand-{self.number % 9}"})
        for index, item in enumerate(self.items):
            at = self.start + index * 58_000
            shelf = {"item_id": item, "item_title": f"Item {index}", "price_fen": self.prices[index]}
            self.add("item_list", at, shelf)
            self.add("item_explain", at + 5_000, {"item_id": item})
            if index >= 10:
                self.add("item_delist", at, {"item_id": self.items[index - 10]})
            if index % 3 == 0:
                self.add("scene", at + 9_000, {
                    "label": "product_close_up", "confidence": round(rng.random(), 3),
                    "replay_ms": at - self.start})
        while len(self.lines) < self.events:
            self.visit()
        self.add("session_end", self.end)
        # Kept: the start, the shelf and the end; of the last visit what goes beyond is cut off.
        return self.lines

    def visit(self):
        rng = self.rng
        user = f"u{pick(rng, self.users) * 2_654_435_761 % 2**32:08x}"
        # More people come in the middle, and when the star item is on.
        ts = self.start + int(SESSION_MS * min(0.999, rng.betavariate(1.6, 1.8)))
        who = {"user_id": user}
        attributes = {}
        for name, chance, choose in (("source", 0.97, SOURCE), ("channel", 0.98, CHANNEL),
                                     ("region", 0.96, REGION), ("device", 0.98, DEVICE)):
            if rng.random() < chance:
                attributes[name] = choose(rng)
        if rng.random() < 0.97:
            attributes["is_fan"] = self.fans.setdefault(user, rng.random() < 0.25)
        if rng.random() < 0.8:
            self.add("exposure", ts - rng.randrange(200, 5_000), who, attributes)
        if rng.random() < 0.5:  # saw it, did not come in
            return
        suspect = {"suspect": True} if rng.random() < 0.01 else None
        self.add("enter", ts, {**who, **(suspect or {})}, attributes)
        stay = min(int(rng.lognormvariate(11.3, 1.1)), self.end - ts)
        leaves = ts + stay
        next_heartbeat = ts + HEARTBEAT_MS
        while True:
            ts += int(rng.expovariate(1 / 18_000)) + 300
            while next_heartbeat < min(ts, leaves):
                self.add("heartbeat", next_heartbeat, who)
                next_heartbeat += HEARTBEAT_MS
            if ts >= leaves:
                break
            self.act(ts, who, attributes)
        if rng.random() < 0.85:
            self.add("leave", leaves, who)

    def act(self, ts, who, attributes):
        rng = self.rng
        kind = ACTION(rng)
        fields = dict(who)
        if kind == "comment":
            fields["text"] = rng.choice(WORDS)
        elif kind == "like" and rng.random() < 0.6:
            fields["count"] = rng.randrange(1, 30)
        elif kind == "gift":
            fields["amount_fen"] = rng.choice((10, 100, 990, 5_200))
        elif kind in ("item_exposure", "item_click", "cart_add"):
            fields["item_id"] = self.items[self.item()]
        elif kind in ("order_paid", "order_refunded", "presale_deposit", "presale_balance"):
            item, quantity = self.item(), rng.choice((1, 1, 1, 2, 3))
            if rng.random() < 0.97:
                fields["item_id"] = self.items[item]
            fields["order_id"] = f"o{rng.getrandbits(40):010x}"
            amount = self.prices[item] * quantity
            fields["amount_fen"] = amount // 10 if kind == "presale_deposit" else amount
            if kind == "order_paid":
                fields["quantity"] = quantity
        # A few clients send their attributes with everything.
        carried = attributes if rng.random() < 0.04 else None
        self.add(kind, ts, fields, carried)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=975_000, help="lines to write (default %(default)s)")
    parser.add_argument("--sessions", type=int, default=40, help="broadcasts (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same file (default %(default)s)")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    users = zipf(max(1_000, arguments.events // 5), 0.65)
    sizes = [1 / (rank + 1) ** 0.7 for rank in range(arguments.sessions)]
    sessions = []
    for number, size in enumerate(sizes):
        share = int(arguments.events * size / sum(sizes)) + 40
        sessions.append(Session(random.Random(rng.getrandbits(64)), number, share, users).run())
    lines = heapq.merge(*(sorted(lines) for lines in sessions))
    for _, line in itertools.islice(lines, arguments.events):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
