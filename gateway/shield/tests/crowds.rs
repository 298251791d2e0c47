//! Many people and many thieves, by chance from a seed: how many of each are refused. The figures
//! are those of this made-up world and no other's; families and habits are the test's own.

mod common;

use common::{APP, CHROME, NOW_MS, Sender, address, shield};
use tandem_shield::{Action, Shield, Who};

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like \
                     Gecko) Version/17.5 Mobile/15E148 Safari/604.1";

/// Chance: SplitMix64 (Steele, Lea, Flood 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}

/// A person over a week: a few looks a day at popular, own and new sessions, from home, work and on
/// the way, with a telephone and a computer. Whether anything was refused.
fn is_person_refused(shield: &Shield, person: u64, chance: &mut Chance) -> bool {
    let id = format!("person-{person}");
    let places = 1 + chance.below(4);
    let own = 1 + chance.below(15);
    let curiosity_percent = chance.below(70);
    let mut is_refused = false;
    for look in 0..7 * (1 + chance.below(6)) {
        let mut now_ms = NOW_MS + look * 12_000_000 + chance.below(6_000_000);
        let place = (person * 8 + chance.below(places)) as u32;
        let agent = if chance.below(3) == 0 { CHROME } else { PHONE };
        let who = Who::Token { id: &id, tenant: "t1" };
        let sender = Sender { shield, who, address: address(place * 256), agent };
        for _ in 0..1 + chance.below(25) {
            let is_new = chance.below(100) < curiosity_percent;
            let session =
                if is_new { 1_000_000 + chance.below(900_000) } else { person * 50 + chance.below(own) };
            // One in twelve followed an old link.
            let status = if is_new && chance.below(12) == 0 { 404 } else { 200 };
            for _ in 0..1 + chance.below(5) {
                is_refused |= sender.report(now_ms, session, status).action.is_refusal();
                now_ms += 800 + chance.below(5_000);
            }
        }
    }
    is_refused
}

/// A thief of a token or key with a history: whether most of what he asks for is refused.
fn is_thief_refused(shield: &Shield, thief: u64, chance: &mut Chance) -> bool {
    let id = format!("stolen-{thief}");
    let who = if thief.is_multiple_of(2) {
        Who::Token { id: &id, tenant: "t2" }
    } else {
        Who::Key { id: &id, tenant: "t2" }
    };
    let owner = Sender { shield, who, address: address(thief as u32 * 256), agent: APP };
    for beat in 0..80 + chance.below(300) {
        owner.report(NOW_MS + beat * 20_000, thief * 50 + chance.below(12), 200);
    }
    let now_ms = NOW_MS + 10_000_000;
    let networks = 1 + chance.below(6);
    let pause_ms = [300, 2_000, 15_000, 120_000][chance.below(4) as usize];
    let missing_percent = [0, 30, 60, 95][chance.below(4) as usize];
    let export_percent = [0, 0, 30][chance.below(3) as usize];
    let step = [1, 1, 17][chance.below(3) as usize];
    let agent = [CHROME, PHONE, "python-requests/2.32", ""][chance.below(4) as usize];
    let mut refused = 0;
    for n in 0..300 {
        let network = 5_000_000 + (thief * 8 + chance.below(networks)) as u32 * 256;
        let sender = Sender { shield, who, address: address(network), agent };
        let action = if chance.below(100) < export_percent {
            sender.send(now_ms + n * pause_ms, "/v1/export/sessions", 200).action
        } else {
            let status = if chance.below(100) < missing_percent { 404 } else { 200 };
            sender.report(now_ms + n * pause_ms, 70_000 + n * step, status).action
        };
        refused += u64::from(action >= Action::Challenge);
    }
    refused >= 150
}

#[test]
fn hardly_any_person_and_most_thieves_are_refused() {
    let mut chance = Chance(20);
    let crowd = shield();
    let people: Vec<_> =
        (0..1_500).filter(|person| is_person_refused(&crowd, *person, &mut chance)).collect();
    let crowd = shield();
    let thieves = (0..400).filter(|thief| is_thief_refused(&crowd, *thief, &mut chance)).count();
    println!("{} of 1500 people and {thieves} of 400 thieves refused", people.len());
    assert!(people.len() * 1_000 <= 1_500 * 5, "{people:?}");
    assert!(thieves * 100 >= 400 * 70, "{thieves}");
}
