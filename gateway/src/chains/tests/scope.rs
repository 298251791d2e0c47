//! What chains are told of who asks.

use tandem_model::{Scope, headers};

use super::*;

fn scopes(fake: &Fake) -> Vec<Option<String>> {
    (0..fake.count()).map(|index| fake.header(index, headers::SCOPE)).collect()
}

/// The first question, the hedge, the one after a failure, those with leave to wait or to be stale, and
/// copies: whichever of them is answered may be what the caller gets.
#[tokio::test(start_paused = true)]
async fn every_question_of_a_read_says_what_its_caller_may_see() {
    let everything = Some(Scope::All.encode());
    // The hedge.
    let (a, b) = (Fake::default(), Fake::default());
    let hedged = setup(a.after(HANGS, || text("a")), b.after(5, || text("b")));
    hedged.read(&[]).await;
    assert_eq!((scopes(&a), scopes(&b)), (vec![everything.clone()], vec![everything.clone()]));
    // After a failure.
    let (a, b) = (Fake::default(), Fake::default());
    let failing = setup(a.after(0, || status(500)), b.after(0, || text("b")));
    failing.read(&[]).await;
    assert_eq!((scopes(&a), scopes(&b)), (vec![everything.clone()], vec![everything.clone()]));
    // At once, with leave to wait, stale.
    let (a, b) = (Fake::default(), Fake::default());
    let lagging = setup(lagging(&a, "a", HANGS), lagging(&b, "b", HANGS));
    lagging.read(&[("tandem-token", "t")]).await;
    assert_eq!(scopes(&a), vec![everything.clone(); 3]);
    assert_eq!(scopes(&b), vec![everything.clone(); 2]);
    // The copy.
    let (a, b) = (Fake::default(), Fake::default());
    let copied = setup_with(a.after(0, || text("a")), b.after(0, || text("b")), |config| {
        config.standby_percent = 100;
    });
    copied.read(&[]).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((scopes(&a), scopes(&b)), (vec![everything.clone()], vec![everything]));
}

#[tokio::test(start_paused = true)]
async fn who_is_nobody_sees_what_is_public_and_can_not_claim_more() {
    let a = Fake::default();
    let setup = setup(a.after(0, || text("a")), saying("b"));
    for claimed in [None, Some(Scope::All.encode())] {
        let mut request = get("/v1/docs");
        if let Some(claimed) = claimed {
            request.headers_mut().insert(headers::SCOPE, HeaderValue::try_from(claimed).unwrap());
        }
        setup.router.answer(&request.into_parts().0).await;
    }
    assert_eq!(scopes(&a), [None, None]);
    // With a key neither.
    setup.read(&[(headers::SCOPE, "nonsense")]).await;
    assert_eq!(a.header(2, headers::SCOPE), Some(Scope::All.encode()));
}
