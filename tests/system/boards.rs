//! Boards over recorded broadcasts: their sums are those that were worked out elsewhere, both chains have the
//! same editions, older ones too, and still have them after a kill.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tandem_model::calendar::{Calendar, Period};
use tandem_model::catalogue::BOARDS;
use tandem_model::route::Chain;
use tandem_model::{Stored, Values};

use crate::api::Api;
use crate::input::Input;
use crate::program::run;
use crate::server::{Kind, Server, text};

/// Rows of one board in one edition, and what that edition is.
type Boards = BTreeMap<String, Value>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_chains_have_the_same_editions_and_keep_them_through_a_kill() {
    let input = Input::real();
    let mut server = Server::start(Kind::Replay);
    let loaded = run(&["ingest", text(&input.file), "--replay", "--to", &server.url()]).await;
    assert_eq!(loaded.code, Some(0), "{loaded:?}");
    let api = server.api();
    let token = api.newest_token().await;
    check_sums(&api, &input, &token).await;

    let moments = moments(&input);
    let mut before = Boards::new();
    for board in BOARDS {
        for period in Period::ALL {
            for at in [moments[0], moments[moments.len() / 2], moments[moments.len() - 1]] {
                let path = format!("/v1/rankings/{}?period={}&at={at}", board.id, period.name());
                before.insert(path.clone(), both(&api, &path, &token).await);
            }
        }
    }
    // The recordings have no items, and few of them say who the anchor is.
    for group in ["session.", "region."] {
        let lists = |path: &str, answer: &Value| path.contains(group) && answer["rows"] != json!([]);
        let listed = before.iter().filter(|(path, answer)| lists(path, answer)).count();
        assert!(listed > 4, "{group}: only {listed} answers have rows");
    }
    // Older editions of the last hour, where the log has beats for them: it has none in the eleven minutes after
    // the last comment, and an edition is the first that was cut at or after the moment asked for.
    let newest =
        before.values().filter_map(|answer| answer["edition"]["at"].as_u64()).max().expect("an edition");
    for seconds in [665, 700, 900, 1_800] {
        let edition = newest - seconds * 1_000;
        let at = moments[moments.len() - 1];
        let path = format!("/v1/rankings/session.views?period=day&at={at}&edition={edition}");
        let answer = both(&api, &path, &token).await;
        assert!(answer["edition"]["at"].as_u64().is_some_and(|cut| cut < newest), "{answer}");
        before.insert(path, answer);
    }

    server.kill();
    server.start_again();
    let api = server.api();
    let token = api.newest_token().await;
    for (path, before) in before {
        assert_eq!(both(&api, &path, &token).await, before, "{path}");
    }
}

/// What both chains answer: the same.
async fn both(api: &Api, path: &str, token: &str) -> Value {
    let mut answers = Vec::new();
    for chain in Chain::ALL {
        let mut answer = api.read_from(chain, path, token).await;
        answer.as_object_mut().expect("an object").remove("meta");
        answers.push(answer);
    }
    assert_eq!(answers[0], answers[1], "{path}");
    answers.swap_remove(0)
}

/// Buckets of the recordings, ascending.
fn moments(input: &Input) -> Vec<u64> {
    let mut moments: Vec<u64> =
        input.expected.sessions.values().flat_map(|session| session.buckets()).collect();
    moments.sort_unstable();
    moments.dedup();
    moments
}

/// Of every hour, day, week and month: sums of sessions' five minutes, which lie whole within.
async fn check_sums(api: &Api, input: &Input, token: &str) {
    let calendar = Calendar::default();
    let of = |values: &Values, columns: &[Stored]| -> u64 {
        columns.iter().map(|column| values[*column as usize]).sum()
    };
    let interactions = [Stored::Comments, Stored::Likes, Stored::Shares, Stored::Gifts];
    let boards: [(&str, &[Stored]); 3] = [
        ("session.gmv", &[Stored::GmvFen]),
        ("session.views", &[Stored::Views]),
        ("session.interactions", &interactions),
    ];
    let mut checked = 0;
    for period in Period::ALL {
        let mut periods: Vec<(u64, u64)> =
            moments(input).into_iter().map(|moment| calendar.period(period, moment)).collect();
        periods.dedup();
        for (from, to) in periods {
            for (board, columns) in boards {
                let mut expected: Vec<(String, u64)> = Vec::new();
                for (id, session) in &input.expected.sessions {
                    let score = of(&session.between(from, to), columns);
                    if score > 0 {
                        expected.push((id.clone(), score));
                    }
                }
                expected.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
                let path = format!("/v1/rankings/{board}?period={}&at={from}&limit=1000", period.name());
                let answer = api.read(&path, token).await;
                assert_eq!(
                    (answer["from"].as_u64(), answer["to"].as_u64()),
                    (Some(from), Some(to)),
                    "{path}"
                );
                let rows = answer["rows"].as_array().expect("rows").iter();
                let found: Vec<(String, u64)> = rows
                    .map(|row| {
                        let id = row["subject"]["id"].as_str().expect("an id").to_owned();
                        (id, row["score"].as_u64().expect("a whole number"))
                    })
                    .collect();
                assert_eq!(found, expected, "{path}");
                checked += expected.len();
            }
        }
    }
    assert!(checked > 50, "only {checked} scores");
}
