//! Events that go to the edges of the rules, over HTTP with their own beats: both chains have the
//! plain method's figures, and `tandem verify` finds every row of both as it recomputes it.

use bytes::Bytes;
use tandem_model::Token;
use tandem_plain::nasty;

use crate::api::Call;
use crate::figures;
use crate::input::plainly_of_lines;
use crate::program::run;
use crate::server::{Kind, Server};

/// How many lines a body has.
const BODY_LINES: usize = 700;
/// Bodies are smaller where lines are long, in bytes.
const BODY_BYTES: usize = 4 << 20;

/// Seeds of ordinary runs and of each kind of flood: keys, sums, items, users.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_chains_have_the_plain_methods_figures() {
    for seed in [1, 2, 5, 12, 7, 31, 63, 127] {
        check_run(seed).await;
    }
}

async fn check_run(seed: u64) {
    println!("seed {seed}");
    let lines = nasty::generate(seed);
    let server = Server::start(Kind::Replay);
    let api = server.api();
    let mut rest = &lines[..];
    let mut token: Option<Token> = None;
    while !rest.is_empty() {
        let (body, next) = rest.split_at(body_length(rest));
        let answer = api.call(Call::replay(body.join(&b'\n'))).await;
        assert!(matches!(answer.status, 200 | 422), "seed {seed}: {answer:?}");
        let sent = Token::decode(answer.token()).expect("a token");
        match &mut token {
            Some(token) => token.join(&sent),
            None => token = Some(sent),
        }
        let answer = answer.json();
        let count = |name: &str| answer[name].as_u64().unwrap_or_else(|| panic!("{name} in {answer}"));
        assert_eq!(count("accepted") + count("beats") + count("malformed"), body.len() as u64, "seed {seed}");
        rest = next;
    }
    let token = token.expect("there are lines").encode();
    figures::check(&api, &token, &plainly_of_lines(&lines)).await;
    let verified = run(&["verify", "--to", &server.url()]).await;
    assert_eq!(verified.code, Some(0), "seed {seed}: {verified:?}");
}

fn body_length(lines: &[Bytes]) -> usize {
    let mut bytes = 0;
    let fits = |line: &&Bytes| {
        bytes += line.len() + 1;
        bytes <= BODY_BYTES
    };
    lines.iter().take(BODY_LINES).take_while(fits).count().max(1)
}
