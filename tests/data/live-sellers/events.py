"""Events of the posts in posts.csv.zst, in order: see README.md.

    events.py POSTS OUT EACH
"""

import json
import sys

import duckdb

CATEGORY = "fashion and cosmetics"


def read(posts):
    """Each post with its seller, oldest first."""
    return duckdb.sql(f"""
        WITH posts AS (
            SELECT status_id AS number, status_type AS kind, num_reactions, num_comments, num_shares, num_loves,
                epoch_ms(strptime(status_published || ' ' || time, '%m/%d/%Y %H:%M') - INTERVAL 7 HOUR) AS ts
            FROM read_csv('{posts}', header = true, types = {{'status_published': 'VARCHAR', 'time': 'VARCHAR'}})),
        leaps AS (SELECT *, ts > lag(ts) OVER (ORDER BY number) + 2 * 86400000 AS leaps FROM posts)
        SELECT number, 1 + count(*) FILTER (leaps) OVER (ORDER BY number) AS seller, kind, ts,
            num_reactions, num_comments, num_shares, num_loves
        FROM leaps ORDER BY ts, number""").fetchall()


def main(posts, out, each):
    each, fans, events = int(each), {}, []
    # Without the newest: in a replay the clock is a median of nine lines, and the first of only four that end a file
    # after a pause lies in the future of the line before.
    for number, seller, kind, ts, reactions, comments, shares, loves in read(posts)[:-1]:
        fans[seller] = max(fans.get(seller, 0), reactions)
        likers, commenters, sharers, followers = (-(-count // each) for count in (reactions, comments, shares, loves))
        count = 0

        def add(seconds, kind, **fields):
            nonlocal count
            count += 1
            event = dict(event_id=str(count), type=kind, ts=ts + seconds * 1_000, session_id=f"post-{number}")
            events.append(event | fields)

        add(0, "session_start", anchor_id=f"seller-{seller}", room_id=f"page-{seller}", title=f"{kind} {number}", category=CATEGORY,
            anchor_name=f"Seller {seller}", anchor_fans=fans[seller], content_type=kind, region="th")
        for viewer in range(max(likers, commenters, sharers, followers)):
            add(1, "enter", user_id=f"u{viewer}")
        for viewer in range(likers):
            add(20, "like", user_id=f"u{viewer}", count=min(each, reactions - viewer * each))
        for seconds, kind, viewers, fields in ((25, "comment", commenters, {"text": "!"}), (30, "share", sharers, {}),
                                               (35, "follow", followers, {})):
            for viewer in range(viewers):
                add(seconds, kind, user_id=f"u{viewer}", **fields)
        add(60, "session_end")
    events.sort(key=lambda event: event["ts"])
    with open(out, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(event) + "\n" for event in events)


if __name__ == "__main__":
    main(*sys.argv[1:])
