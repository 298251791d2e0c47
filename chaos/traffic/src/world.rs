//! What there is to ask for: tenants, their sessions, applications and people's tokens.

use std::sync::Arc;

use http::HeaderValue;

use crate::chance::Chance;
use crate::shot::Who;

/// How many tenants there are.
pub(crate) const TENANTS: usize = 24;
/// How many sessions each tenant has, past ones included.
const SESSIONS_EACH: usize = 320;
/// How many of them are live.
const LIVE_EACH: usize = 6;
/// How many people broadcast for a tenant.
const ANCHORS_EACH: u64 = 40;
/// The first session id, of the length that platforms give.
const FIRST_SESSION: u64 = 438_201_775_000;

/// Who has what.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) tenants: Vec<Tenant>,
    /// The session ids of all, in order. One row of numbers serves all tenants, as on platforms: the
    /// neighbours of a tenant's session are mostly others'.
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The worlds apart: a seed of its own for each.
    pub(crate) seed: u64,
}

/// A network of anchors (MCN), a merchant or a partner team.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) name: Arc<str>,
    /// Ascending, that is in the order in which they began.
    pub(crate) sessions: Vec<u64>,
    /// Where the live ones begin in `sessions`.
    pub(crate) live_from: usize,
    pub(crate) anchors: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed, u64::MAX);
        let mut tenants: Vec<Tenant> = (0..TENANTS).map(|index| Tenant::new(index, &mut chance)).collect();
        let mut id = FIRST_SESSION;
        for _ in 0..SESSIONS_EACH * TENANTS {
            // Ids are given to all sessions of the platform; many of those are of tenants who are not ours.
            id += chance.between(1, 9);
            let open = |tenant: &Tenant| tenant.sessions.len() < SESSIONS_EACH;
            let start = usize::try_from(chance.below(TENANTS as u64)).unwrap_or(0);
            let next = (0..TENANTS).map(|step| (start + step) % TENANTS).find(|&index| open(&tenants[index]));
            if let Some(index) = next {
                tenants[index].sessions.push(id);
            }
        }
        Self { tenants, first: FIRST_SESSION, last: id, seed }
    }

    /// One of the tenants.
    pub(crate) fn tenant(&self, index: usize) -> &Tenant {
        &self.tenants[index % self.tenants.len()]
    }

    /// A session id that may be anybody's or nobody's.
    pub(crate) fn any_id(&self, chance: &mut Chance) -> u64 {
        chance.between(self.first, self.last)
    }
}

impl Tenant {
    fn new(index: usize, chance: &mut Chance) -> Self {
        let kind = ["mcn", "merchant", "partner"][index % 3];
        let anchors = (0..ANCHORS_EACH).map(|_| format!("a{}", chance.between(20_000_000, 99_999_999)));
        Self {
            name: format!("{kind}-{index:02}").into(),
            sessions: Vec::with_capacity(SESSIONS_EACH),
            live_from: SESSIONS_EACH - LIVE_EACH,
            anchors: anchors.collect(),
        }
    }

    pub(crate) fn live(&self) -> &[u64] {
        &self.sessions[self.live_from..]
    }

    pub(crate) fn past(&self) -> &[u64] {
        &self.sessions[..self.live_from]
    }

    /// Whether the session is its own: for others' it is told 404.
    pub(crate) fn owns(&self, id: u64) -> bool {
        self.sessions.binary_search(&id).is_ok()
    }

    /// How a read of the session is answered.
    pub(crate) fn status(&self, id: u64) -> u16 {
        if self.owns(id) { 200 } else { 404 }
    }
}

/// What a client shows, and what authentication makes of it. It looks like the real one and opens
/// nothing: no secret stands behind it.
#[derive(Clone, Debug)]
pub(crate) struct Credential {
    pub(crate) who: Who,
    pub(crate) value: Option<HeaderValue>,
}

impl Credential {
    pub(crate) fn none() -> Self {
        Self { who: Who::Nobody, value: None }
    }

    /// The `index`th key of an application of that tenant.
    pub(crate) fn key(world: &World, tenant: usize, index: u64) -> Self {
        let mut chance = Chance::new(world.seed ^ 0x6b65_7900, index << 16 | tenant as u64);
        let id = chance.text(11);
        let value = format!("Bearer tdm_{id}_{}", chance.text(49));
        let tenant = Arc::clone(&world.tenant(tenant).name);
        Self { who: Who::Key { id: id.into(), tenant }, value: text(&value) }
    }

    /// The key of a tenant that somebody opened for purposes of his own: the `index`th of a kind. It has
    /// no sessions that anybody would look for.
    pub(crate) fn own_key(world: &World, kind: &str, index: u64) -> Self {
        let tenant: Arc<str> = format!("{kind}-own-{index}").into();
        let stream = tenant.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31) ^ u64::from(byte));
        let mut chance = Chance::new(world.seed ^ 0x006f_776e, stream);
        let id = chance.text(11);
        let value = format!("Bearer tdm_{id}_{}", chance.text(49));
        Self { who: Who::Key { id: id.into(), tenant }, value: text(&value) }
    }

    /// The token of the `index`th person of that tenant.
    pub(crate) fn token(world: &World, tenant: usize, index: u64) -> Self {
        let mut chance = Chance::new(world.seed ^ 0x746f_6b65, index << 16 | tenant as u64);
        let tenant = Arc::clone(&world.tenant(tenant).name);
        let id = format!("{tenant}:person-{index}");
        Self { who: Who::Token { id: id.into(), tenant }, value: text(&jwt(&mut chance)) }
    }

    /// A signature of that tenant's application, fresh for each request.
    pub(crate) fn signed(world: &World, tenant: usize, now_ms: u64, chance: &mut Chance) -> Self {
        let mut of_the_key = Chance::new(world.seed ^ 0x7369_676e, tenant as u64);
        let id = of_the_key.text(11);
        let value = format!(
            "Tandem-HMAC-SHA256 key={id}, timestamp={}, nonce={}, headers=host, body={}, signature={}",
            now_ms / 1_000,
            chance.text(22),
            // Of an empty body.
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            chance.hexadecimal(64),
        );
        let tenant = Arc::clone(&world.tenant(tenant).name);
        Self { who: Who::Signed { id: id.into(), tenant }, value: text(&value) }
    }

    /// A key that nobody has.
    pub(crate) fn made_up_key(chance: &mut Chance) -> Self {
        Self { who: Who::Failed, value: text(&format!("Bearer tdm_{}_{}", chance.text(11), chance.text(49))) }
    }

    /// A token that is not taken: run out, or signed by nobody we know.
    pub(crate) fn dead_token(chance: &mut Chance) -> Self {
        Self { who: Who::Failed, value: text(&jwt(chance)) }
    }

    /// The same, no longer taken.
    pub(crate) fn refused(&self) -> Self {
        Self { who: Who::Failed, value: self.value.clone() }
    }
}

fn jwt(chance: &mut Chance) -> String {
    let (claims, signature) = (chance.text(180), chance.text(86));
    format!("Bearer eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.{claims}.{signature}")
}

fn text(value: &str) -> Option<HeaderValue> {
    HeaderValue::from_str(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_has_one_owner_and_its_neighbours_are_mostly_others() {
        let world = World::new(1);
        let mut all: Vec<u64> = world.tenants.iter().flat_map(|tenant| tenant.sessions.clone()).collect();
        all.sort_unstable();
        let count = all.len();
        all.dedup();
        assert_eq!((all.len(), count), (SESSIONS_EACH * TENANTS, SESSIONS_EACH * TENANTS));
        let tenant = world.tenant(3);
        assert!(tenant.sessions.is_sorted());
        let owned = tenant.sessions.iter().filter(|id| tenant.owns(**id + 1)).count();
        assert!(owned * 10 < tenant.sessions.len(), "{owned}");
    }

    #[test]
    fn credentials_are_the_same_each_time_and_no_two_are_alike() {
        let world = World::new(1);
        let key = |tenant, index| Credential::key(&world, tenant, index).who;
        assert_eq!(key(1, 2), key(1, 2));
        assert_ne!(key(1, 2), key(2, 1));
        assert_ne!(key(1, 2), key(1, 3));
        let own = |kind, index| Credential::own_key(&world, kind, index).who;
        assert_eq!(own("trial", 1), own("trial", 1));
        assert_ne!(own("trial", 1), own("trial", 2));
        assert_ne!(own("trial", 1), own("shop", 1));
    }
}
