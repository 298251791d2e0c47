//! Lists within a scope: what the pages together hold, and that they tell of nothing else.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};
use tandem_model::Scope;
use tandem_model::scope::Grants;

use crate::world::{BEGIN, BEGIN_MS, World};

/// A session as the tests make it up.
#[derive(Clone, Debug)]
struct Made {
    /// Nothing: no `session_start` comes.
    anchor: Option<u8>,
    /// Whose it is from a second `session_start` on.
    later_anchor: Option<u8>,
    merchant: Option<u8>,
    channel: Option<u8>,
    second: u64,
}

fn made() -> impl Strategy<Value = Made> {
    // One of them has most, so that the list of one goes on after those of others.
    let anchor = option::weighted(0.9, prop_oneof![3 => Just(0_u8), 2 => 0..4_u8]);
    let later = option::weighted(0.2, 0..4_u8);
    let merchant = option::of(0..3_u8);
    let channel = option::of(0..3_u8);
    (anchor, later, merchant, channel, 0..6_u64).prop_map(
        |(anchor, later_anchor, merchant, channel, second)| Made {
            anchor,
            later_anchor,
            merchant,
            channel,
            second,
        },
    )
}

fn named(kind: char, number: u8) -> String {
    format!("{kind}{number}")
}

fn grants() -> impl Strategy<Value = Grants> {
    let names =
        |kind: char, up_to: u8| btree_set((0..up_to).prop_map(move |number| named(kind, number)), 0..=6);
    // Half of them are of anchors alone, whose lists are merged.
    (names('a', 7), names('m', 7), names('c', 7), any::<bool>()).prop_map(
        |(anchors, merchants, channels, is_more)| {
            let (merchants, channels) =
                if is_more { (merchants, channels) } else { (BTreeSet::new(), BTreeSet::new()) };
            Grants { anchors, merchants, channels, tables: BTreeSet::new() }
        },
    )
}

/// What a list is asked for.
#[derive(Clone, Debug)]
struct Asked {
    anchor: Option<u8>,
    from: Option<u64>,
    to: Option<u64>,
    limit: usize,
}

fn asked() -> impl Strategy<Value = Asked> {
    let bound = || option::weighted(0.3, 0..8_u64);
    (option::weighted(0.3, 0..6_u8), bound(), bound(), 1..30_usize)
        .prop_map(|(anchor, from, to, limit)| Asked { anchor, from, to, limit })
}

impl Made {
    fn final_anchor(&self) -> Option<String> {
        self.anchor.map(|anchor| named('a', self.later_anchor.unwrap_or(anchor)))
    }

    /// When it started, as the list has it.
    fn sort_ms(&self) -> u64 {
        BEGIN_MS
            + 1_000 * self.second
            + if self.anchor.is_some() && self.later_anchor.is_some() { 500 } else { 0 }
    }

    fn is_seen(&self, grants: &Grants) -> bool {
        let Some(anchor) = self.final_anchor() else { return false };
        let has = |kind: char, number: Option<u8>, granted: &BTreeSet<String>| {
            number.is_some_and(|number| granted.contains(&named(kind, number)))
        };
        grants.anchors.contains(&anchor)
            || has('m', self.merchant, &grants.merchants)
            || has('c', self.channel, &grants.channels)
    }

    fn is_asked_for(&self, asked: &Asked) -> bool {
        let ms = |second: u64| BEGIN_MS + 1_000 * second;
        asked.anchor.is_none_or(|anchor| self.final_anchor() == Some(named('a', anchor)))
            && asked.from.is_none_or(|from| self.sort_ms() >= ms(from))
            && asked.to.is_none_or(|to| self.sort_ms() < ms(to))
    }
}

async fn world_of(sessions: &[Made]) -> World {
    let mut world = World::new();
    world.beat(BEGIN).await;
    for (index, made) in sessions.iter().enumerate() {
        let (id, ts) = (id(index), BEGIN_MS + 1_000 * made.second);
        let merchant = made.merchant.map(|number| named('m', number));
        if let Some(anchor) = made.anchor {
            world.start_of(&id, ts, &named('a', anchor), merchant.as_deref()).await;
        }
        let mut enter = json!({"type": "enter", "user_id": "u1"});
        if let Some(channel) = made.channel {
            enter["channel"] = json!(named('c', channel));
        }
        world.event(&id, ts, enter).await;
    }
    world.flush().await;
    for (index, made) in sessions.iter().enumerate() {
        let merchant = made.merchant.map(|number| named('m', number));
        if let (Some(_), Some(later)) = (made.anchor, made.later_anchor) {
            let ts = BEGIN_MS + 1_000 * made.second + 500;
            world.start_of(&id(index), ts, &named('a', later), merchant.as_deref()).await;
        }
    }
    world.flush().await;
    world
}

fn id(index: usize) -> String {
    format!("s{index:02}")
}

fn ids(page: &Value) -> Vec<String> {
    page["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["id"].as_str().unwrap().to_owned())
        .collect()
}

/// All pages, each with how many it holds.
async fn pages(world: &World, grants: &Grants, asked: &Asked) -> Vec<Vec<String>> {
    let scope = Scope::Granted(grants.clone());
    let mut query = format!("/v1/sessions?limit={}", asked.limit);
    if let Some(anchor) = asked.anchor {
        query.push_str(&format!("&anchor_id={}", named('a', anchor)));
    }
    for (name, second) in [("from", asked.from), ("to", asked.to)] {
        if let Some(second) = second {
            query.push_str(&format!("&{name}={}", BEGIN_MS + 1_000 * second));
        }
    }
    let (mut path, mut found) = (query.clone(), Vec::new());
    loop {
        let answer = world.get_as(&scope, &path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let page = answer.json();
        found.push(ids(&page));
        assert!(found.len() < 100, "the pages have no end");
        let Some(cursor) = page["next_cursor"].as_str() else { return found };
        path = format!("{query}&cursor={cursor}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The pages together are what the scope shows of the whole list, in its order, each session once;
    /// each page is full but the last, and that one holds something unless there is nothing at all.
    #[test]
    fn pages_are_the_list_without_what_is_not_seen(
        sessions in vec(made(), 0..60),
        grants in grants(),
        asked in vec(asked(), 1..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world_of(&sessions).await;
            for asked in &asked {
                let seen = sessions.iter().enumerate();
                let seen = seen.filter(|(_, made)| made.is_seen(&grants) && made.is_asked_for(asked));
                let mut expected: Vec<_> = seen.map(|(index, made)| (Reverse(made.sort_ms()), id(index))).collect();
                expected.sort();
                let expected: Vec<String> = expected.into_iter().map(|(_, id)| id).collect();
                let pages = pages(&world, &grants, asked).await;
                let full: Vec<Vec<String>> = match expected.is_empty() {
                    true => vec![Vec::new()],
                    false => expected.chunks(asked.limit).map(<[String]>::to_vec).collect(),
                };
                assert_eq!(pages, full, "{grants:?} {asked:?}");
            }
        });
    }
}

/// An anchor's list, whoever else there is, is that of a system in which he is alone, but for the
/// positions in its token.
#[tokio::test]
async fn lists_tell_of_nobody_else() {
    let of = |anchor: u8, second| Made {
        anchor: Some(anchor),
        later_anchor: None,
        merchant: None,
        channel: None,
        second,
    };
    let crowd: Vec<_> = (0..40).map(|number| of(number % 4, u64::from(number) / 4)).collect();
    let world = world_of(&crowd).await;
    let grants = Grants { anchors: BTreeSet::from(["a1".to_owned()]), ..Grants::default() };
    let scope = Scope::Granted(grants);
    // One that is not granted is one that there is not, with every filter.
    for rest in ["", "&limit=1", "&status=live", "&status=final", "&from=1", "&to=1", "&cursor=czEuMC5z"] {
        let foreign = world.get_as(&scope, &format!("/v1/sessions?anchor_id=a2{rest}")).await;
        let none = world.get_as(&scope, &format!("/v1/sessions?anchor_id=a9{rest}")).await;
        assert_eq!(
            (foreign.status, &foreign.headers, &foreign.text),
            (none.status, &none.headers, &none.text)
        );
        assert_eq!((foreign.status, &foreign.json()["sessions"]), (200, &json!([])), "{rest}");
    }
    // A cursor names the last session shown.
    let page = world.get_as(&scope, "/v1/sessions?limit=3").await.json();
    assert_eq!(ids(&page), ["s37", "s33", "s29"]);
    let whole = world.ok("/v1/sessions?anchor_id=a1&limit=3").await;
    assert_eq!(page, whole);
}

#[tokio::test]
async fn the_looks_for_a_list_do_not_depend_on_whose_anchor_is_named() {
    // More than are read in one go, so that a list of a2's alone would show.
    let of = |number: u16| Made {
        anchor: Some(2),
        later_anchor: None,
        merchant: Some((number % 3) as u8),
        channel: Some(1),
        second: 1,
    };
    let world = world_of(&(0..600).map(of).collect::<Vec<_>>()).await;
    for grants in [
        Grants { anchors: BTreeSet::from(["a1".to_owned()]), ..Grants::default() },
        Grants { merchants: BTreeSet::from(["m7".to_owned()]), ..Grants::default() },
        Grants { channels: BTreeSet::from(["c7".to_owned()]), ..Grants::default() },
    ] {
        let scope = Scope::Granted(grants);
        let mut looks = Vec::new();
        for anchor in ["a2", "a9"] {
            let rows = &world.plans.rows;
            let count = || (rows.calls("sessions"), rows.calls("session"));
            let before = count();
            let answer = world.get_as(&scope, &format!("/v1/sessions?anchor_id={anchor}")).await;
            assert_eq!(answer.json()["sessions"], json!([]));
            let after = count();
            looks.push((after.0 - before.0, after.1 - before.1));
        }
        assert_eq!(looks[0], looks[1], "{scope:?}");
    }
}

/// Lists that have to be looked for are bounded, and say so.
#[tokio::test]
async fn a_walk_that_would_be_too_long_is_refused_and_a_narrower_one_is_not() {
    let mut world = World::new();
    world.beat(BEGIN).await;
    for number in 0..2_600_u64 {
        let merchant = (number == 0).then_some("m1");
        world.start_of(&format!("s{number:04}"), BEGIN_MS + number, "a1", merchant).await;
    }
    world.event("s0000", BEGIN_MS, json!({"type": "enter", "user_id": "u1", "channel": "c1"})).await;
    world.flush().await;
    let advertiser =
        Scope::Granted(Grants { channels: BTreeSet::from(["c1".to_owned()]), ..Grants::default() });
    let refused = world.get_as(&advertiser, "/v1/sessions").await;
    assert_eq!((refused.status, refused.problem().as_str()), (400, "bad-parameter"), "{refused:?}");
    assert!(refused.text.contains("`from`"), "{refused:?}");
    let narrow = world.get_as(&advertiser, &format!("/v1/sessions?to={}", BEGIN_MS + 1_000)).await;
    assert_eq!(ids(&narrow.json()), ["s0000"]);
    // Without channels to look for it may be longer.
    let merchant =
        Scope::Granted(Grants { merchants: BTreeSet::from(["m1".to_owned()]), ..Grants::default() });
    assert_eq!(ids(&world.get_as(&merchant, "/v1/sessions").await.json()), ["s0000"]);
}
