//! Addresses that claim to be crawlers: what is known of them, and which wait for the slow loop.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::lists::{Claim, Lists, Networks};

/// How long an answer holds: names change hands.
const CONFIRMED_MS: u64 = 24 * 3_600_000;
/// How long a claim that was handed out is not handed out again.
const ASKED_MS: u64 = 10 * 60_000;

/// Answers that are remembered, for each place in the queue.
const ANSWERS_PER_PLACE: usize = 4;

/// What is known of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing yet.
    Open,
    /// The address is the crawler's.
    True,
    /// It is not.
    False,
}

#[derive(Debug)]
struct Answer {
    crawler: Arc<str>,
    standing: Standing,
    until_ms: u64,
}

#[derive(Debug, Default)]
struct Listed {
    verified: Networks<Arc<str>>,
    blocked: Networks<()>,
}

#[derive(Debug, Default)]
struct Inner {
    answers: HashMap<IpAddr, Answer>,
    /// The order in which answers came, to forget the oldest.
    order: VecDeque<IpAddr>,
    waiting: VecDeque<Claim>,
    dropped: u64,
}

/// See the head of this file.
#[derive(Debug)]
pub(crate) struct Claims {
    most: usize,
    listed: RwLock<Listed>,
    inner: Mutex<Inner>,
}

impl Claims {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), listed: RwLock::default(), inner: Mutex::default() }
    }

    pub(crate) fn take_lists(&self, lists: Lists) {
        let verified = Networks::new(lists.verified.into_iter());
        let blocked = Networks::new(lists.blocked.into_iter().map(|network| (network, ())));
        *self.listed.write() = Listed { verified, blocked };
    }

    pub(crate) fn is_blocked(&self, address: IpAddr) -> bool {
        self.listed.read().blocked.find(address).is_some()
    }

    /// How a claim stands; one that is open is put into the queue.
    pub(crate) fn standing(&self, address: IpAddr, crawler: &Arc<str>, now_ms: u64) -> Standing {
        if self.listed.read().verified.find(address).is_some_and(|name| name == crawler) {
            return Standing::True;
        }
        let address = address.to_canonical();
        let mut inner = self.inner.lock();
        if let Some(answer) = inner.answers.get(&address)
            && answer.crawler == *crawler
            && now_ms < answer.until_ms
        {
            return answer.standing;
        }
        if inner.waiting.len() >= self.most {
            inner.dropped += 1;
            return Standing::Open;
        }
        inner.waiting.push_back(Claim { address, crawler: Arc::clone(crawler), since_ms: now_ms });
        let until_ms = now_ms.saturating_add(ASKED_MS);
        inner.note(
            self.most,
            address,
            Answer { crawler: Arc::clone(crawler), standing: Standing::Open, until_ms },
        );
        Standing::Open
    }

    pub(crate) fn pending(&self) -> Vec<Claim> {
        self.inner.lock().waiting.drain(..).collect()
    }

    pub(crate) fn confirm(&self, address: IpAddr, crawler: &str, is_confirmed: bool, now_ms: u64) {
        let standing = if is_confirmed { Standing::True } else { Standing::False };
        let until_ms = now_ms.saturating_add(CONFIRMED_MS);
        let address = address.to_canonical();
        self.inner.lock().note(self.most, address, Answer { crawler: crawler.into(), standing, until_ms });
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.inner.lock().dropped
    }
}

impl Inner {
    fn note(&mut self, most: usize, address: IpAddr, answer: Answer) {
        if self.answers.insert(address, answer).is_none() {
            self.order.push_back(address);
        }
        while self.order.len() > most.saturating_mul(ANSWERS_PER_PLACE) {
            if let Some(oldest) = self.order.pop_front() {
                self.answers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::Network;

    const NOW_MS: u64 = 1_700_000_000_000;

    fn address(last: u32) -> IpAddr {
        IpAddr::from(std::net::Ipv4Addr::from_bits(0x0a00_0000 + last))
    }

    #[test]
    fn a_claim_is_handed_out_once_and_then_as_it_was_confirmed() {
        let (claims, name) = (Claims::new(16), Arc::from("googlebot"));
        for _ in 0..3 {
            assert_eq!(claims.standing(address(1), &name, NOW_MS), Standing::Open);
        }
        let expected = Claim { address: address(1), crawler: Arc::clone(&name), since_ms: NOW_MS };
        assert_eq!(claims.pending(), [expected]);
        assert_eq!(claims.pending(), []);
        claims.confirm(address(1), "googlebot", true, NOW_MS);
        assert_eq!(claims.standing(address(1), &name, NOW_MS), Standing::True);
        assert_eq!(claims.standing(address(1), &Arc::from("bingbot"), NOW_MS), Standing::Open);
        claims.confirm(address(2), "googlebot", false, NOW_MS);
        assert_eq!(claims.standing(address(2), &name, NOW_MS), Standing::False);
        assert_eq!(claims.standing(address(2), &name, NOW_MS + CONFIRMED_MS), Standing::Open);
    }

    #[test]
    fn queue_and_answers_are_bounded_and_what_found_no_place_is_counted() {
        let (claims, name) = (Claims::new(4), Arc::from("googlebot"));
        for last in 0..100 {
            claims.standing(address(last), &name, NOW_MS);
        }
        assert_eq!((claims.pending().len(), claims.dropped()), (4, 96));
        for last in 0..100 {
            claims.confirm(address(last), "googlebot", true, NOW_MS);
        }
        let inner = claims.inner.lock();
        assert_eq!((inner.answers.len(), inner.order.len()), (16, 16));
    }

    #[test]
    fn published_networks_confirm_their_own_crawler_only() {
        let claims = Claims::new(4);
        let name: Arc<str> = Arc::from("bingbot");
        let network = Network::parse("10.0.0.0/24").unwrap();
        claims.take_lists(Lists { verified: vec![(network, Arc::clone(&name))], blocked: vec![network] });
        assert_eq!(claims.standing(address(9), &name, NOW_MS), Standing::True);
        assert_eq!(claims.standing(address(9), &Arc::from("googlebot"), NOW_MS), Standing::Open);
        assert!(claims.is_blocked(address(9)) && !claims.is_blocked(address(300)));
    }
}
