//! Who takes part: how many of each family, when they come, who robs whom.

use crate::Family;
use crate::chance::Chance;
use crate::hostile::{
    LowAndSlow, NaiveScraper, Replayer, RotatingAddresses, RotatingAgents, Siphon, StolenKey, StolenToken,
    Victim,
};
use crate::machines::{Crawler, Dashboard, EventSender, ExportScript, Partner, Probe, SmallApplication};
use crate::newcomers::Newcomer;
use crate::people::Person;
use crate::second::{
    Analyst, BrowserExtension, CacheBuster, DoorTester, LeakedSigner, LeavingInsider, NightBatch,
    PublicFlood, TravellingOwner, TrialSwarm, ViewFarm,
};
use crate::sender::Actor;
use crate::unseen::{
    BurstExporter, CredentialStuffer, HeadlessFleet, KeyGuesser, LeechApp, ListHarvester, Neighbourhood,
    PatientBotnet, Scanner, SharedToken,
};
use crate::world::{Credential, TENANTS, World};

/// How many actors of each family a world has at 100 percent.
///
/// So chosen that people are enough for shares of a few in a thousand, each attacker family has a
/// good dozen, and two thirds of all requests are worthless, which is what the operator of a platform
/// of this kind measured on its own.
pub(crate) const CAST: [(Family, u64); 34] = [
    (Family::Viewer, 900),
    (Family::BehindCarrier, 900),
    (Family::NightShift, 40),
    (Family::Impatient, 30),
    (Family::Archivist, 40),
    (Family::Screen, 40),
    (Family::ForgottenTab, 40),
    (Family::Newcomer, 20),
    // Whose tokens thieves use.
    (Family::Robbed, 48),
    (Family::Partner, 12),
    (Family::Dashboard, 16),
    // Whose keys thieves use.
    (Family::RobbedApplication, 112),
    (Family::EventSender, 5),
    (Family::ExportScript, 10),
    (Family::Probe, 4),
    (Family::Crawler, 8),
    (Family::NaiveScraper, 44),
    (Family::RotatingAgents, 24),
    (Family::RotatingAddresses, 20),
    (Family::LowAndSlow, 32),
    (Family::Replayer, 16),
    (Family::StolenKey, 24),
    (Family::StolenToken, 20),
    (Family::Siphon, 16),
    (Family::HeadlessFleet, 16),
    (Family::KeyGuesser, 16),
    (Family::SharedToken, 16),
    (Family::Scanner, 16),
    (Family::BurstExporter, 16),
    (Family::Neighbourhood, 16),
    (Family::CredentialStuffer, 16),
    (Family::LeechApp, 12),
    (Family::PatientBotnet, 12),
    (Family::ListHarvester, 12),
];

/// How many owners of stolen tokens and keys the first cast has: those of the second set come after them.
const ROBBED_BEFORE: u64 = 48;
const ROBBED_APPLICATIONS_BEFORE: u64 = 112;

/// What the second set adds at 100 percent: a family, the number of its first actor, and how many. Those
/// whom its thieves rob come along.
const SECOND_CAST: [(Family, u64, u64); 13] = [
    (Family::Robbed, ROBBED_BEFORE, 16),
    (Family::RobbedApplication, ROBBED_APPLICATIONS_BEFORE, 12),
    (Family::Analyst, 0, 40),
    (Family::TravellingOwner, 0, 60),
    (Family::NightBatch, 0, 12),
    (Family::TrialSwarm, 0, 12),
    (Family::ViewFarm, 0, 12),
    (Family::DoorTester, 0, 16),
    (Family::BrowserExtension, 0, 16),
    (Family::LeakedSigner, 0, 12),
    (Family::LeavingInsider, 0, 16),
    (Family::CacheBuster, 0, 12),
    (Family::PublicFlood, 0, 12),
];

/// An actor, its family, and when it first acts, in milliseconds from the beginning.
pub(crate) type Role = (Family, u64, Box<dyn Actor + Send>);

/// Everybody, in the order of their numbers.
pub(crate) fn cast(world: &World, length_ms: u64, percent: u64) -> Vec<Role> {
    of_parts(&CAST.map(|(family, count)| (family, 0, count)), world, length_ms, percent)
}

/// Whom the second set adds.
pub(crate) fn second_set(world: &World, length_ms: u64, percent: u64) -> Vec<Role> {
    of_parts(&SECOND_CAST, world, length_ms, percent)
}

fn of_parts(parts: &[(Family, u64, u64)], world: &World, length_ms: u64, percent: u64) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    for &(family, first, count) in parts {
        for index in first..first + (count * percent).div_ceil(100) {
            let mut chance = Chance::new(world.seed, (family as u64) << 32 | index);
            let first_ms = first_ms(family, length_ms, &mut chance);
            roles.push((family, first_ms, actor(family, index, world, chance)));
        }
    }
    roles
}

/// Those who stay come early; of the others each comes when it comes.
fn first_ms(family: Family, length_ms: u64, chance: &mut Chance) -> u64 {
    let last_ms = match family {
        // What is stolen was used before: its owners have habits.
        Family::StolenKey
        | Family::StolenToken
        | Family::Siphon
        | Family::LowAndSlow
        | Family::HeadlessFleet
        | Family::SharedToken
        | Family::BurstExporter
        | Family::Neighbourhood
        | Family::LeechApp
        | Family::ListHarvester
        | Family::BrowserExtension
        | Family::LeakedSigner
        | Family::CacheBuster => {
            return length_ms / 4 + chance.below((length_ms / 4).max(1));
        }
        Family::Robbed
        | Family::RobbedApplication
        | Family::NightShift
        | Family::Screen
        | Family::Partner
        | Family::EventSender
        | Family::Probe
        | Family::Crawler => length_ms.min(60_000),
        Family::Archivist | Family::Analyst | Family::TravellingOwner => length_ms / 3,
        // Has a day's work before.
        Family::LeavingInsider => length_ms / 8,
        _ => length_ms * 2 / 3,
    };
    chance.below(last_ms.max(1))
}

fn actor(family: Family, index: u64, world: &World, mut chance: Chance) -> Box<dyn Actor + Send> {
    let tenant = usize::try_from(index % TENANTS as u64).unwrap_or(0);
    let robbed = robbed_tenant(index);
    match family {
        Family::Viewer
        | Family::BehindCarrier
        | Family::NightShift
        | Family::Impatient
        | Family::Archivist
        | Family::Screen
        | Family::ForgottenTab => Box::new(Person::new(family, index, world, chance)),
        Family::Robbed if index >= ROBBED_BEFORE => {
            let index = index - ROBBED_BEFORE;
            let robbed = robbed_tenant(index);
            let browser = BrowserExtension::host(robbed, index, world);
            Box::new(Person::beset(robbed, browser, ROBBED_BEFORE + index, world, chance))
        }
        Family::Robbed => {
            let thief = match index % 3 {
                0 => Family::HeadlessFleet,
                1 => Family::SharedToken,
                _ => Family::StolenToken,
            };
            let index = index / 3;
            let robbed = robbed_tenant(index);
            let credential = stolen_token(thief, robbed, index, world);
            Box::new(Person::robbed(robbed, credential, index, world, chance))
        }
        Family::RobbedApplication if index >= ROBBED_APPLICATIONS_BEFORE => {
            let victim = stolen_key(Family::CacheBuster, index - ROBBED_APPLICATIONS_BEFORE);
            Box::new(SmallApplication::new(victim, world, chance))
        }
        Family::RobbedApplication => {
            let victim = match index % 7 {
                0 => stolen_key(Family::StolenKey, index / 7),
                1 => stolen_key(Family::LowAndSlow, index / 7 * 2),
                2 => stolen_key(Family::BurstExporter, index / 7),
                3 => stolen_key(Family::Neighbourhood, index / 7),
                4 => stolen_key(Family::Siphon, index / 7),
                5 => stolen_key(Family::LeechApp, index / 7),
                _ => stolen_key(Family::ListHarvester, index / 7),
            };
            Box::new(SmallApplication::new(victim, world, chance))
        }
        Family::Newcomer => Box::new(Newcomer::new(index, tenant, world, chance)),
        Family::Partner => Box::new(Partner::new(tenant, chance)),
        Family::Dashboard => Box::new(Dashboard::new(index, tenant, world, chance)),
        Family::EventSender => Box::new(EventSender::new(tenant, world, chance)),
        Family::ExportScript => Box::new(ExportScript::new(index, tenant, world, chance)),
        Family::Probe => Box::new(Probe::new(chance)),
        Family::Crawler => Box::new(Crawler::new(index, chance)),
        Family::NaiveScraper => Box::new(NaiveScraper::new(world, chance)),
        Family::RotatingAgents => Box::new(RotatingAgents::new(world, chance)),
        Family::RotatingAddresses => Box::new(RotatingAddresses::new(world, chance)),
        Family::LowAndSlow => {
            let victim = index.is_multiple_of(2).then_some(stolen_key(family, index));
            Box::new(LowAndSlow::new(victim, world, chance))
        }
        Family::Replayer => Box::new(Replayer::new(tenant % 12, chance)),
        Family::StolenKey => {
            // Some took the key of a dashboard that is in use.
            let victim = stolen_key(family, index);
            let victim = if chance.percent(20) { Victim { key: 0, ..victim } } else { victim };
            Box::new(StolenKey::new(victim, world, chance))
        }
        Family::StolenToken => {
            let credential = stolen_token(family, robbed, index, world);
            Box::new(StolenToken::new(robbed, credential, chance))
        }
        Family::Siphon => Box::new(Siphon::new(stolen_key(family, index), world, chance)),
        Family::HeadlessFleet => {
            let credential = stolen_token(family, robbed, index, world);
            Box::new(HeadlessFleet::new(robbed, &credential, chance))
        }
        Family::KeyGuesser => Box::new(KeyGuesser::new(index, chance)),
        Family::SharedToken => {
            let credential = stolen_token(family, robbed, index, world);
            Box::new(SharedToken::new(robbed, &credential, chance))
        }
        Family::Scanner => Box::new(Scanner::new(chance)),
        Family::BurstExporter => Box::new(BurstExporter::new(stolen_key(family, index), world, chance)),
        Family::Neighbourhood => Box::new(Neighbourhood::new(stolen_key(family, index), world, chance)),
        Family::CredentialStuffer => Box::new(CredentialStuffer::new(chance)),
        Family::LeechApp => Box::new(LeechApp::new(stolen_key(family, index), world, chance)),
        Family::PatientBotnet => Box::new(PatientBotnet::new(chance)),
        Family::ListHarvester => Box::new(ListHarvester::new(stolen_key(family, index), world, chance)),
        Family::Analyst => Box::new(Analyst::new(index, tenant, world, chance)),
        Family::TravellingOwner => Box::new(TravellingOwner::new(index, tenant, world, chance)),
        Family::NightBatch => Box::new(NightBatch::new(tenant, world, chance)),
        Family::TrialSwarm => Box::new(TrialSwarm::new(index, world, chance)),
        Family::ViewFarm => Box::new(ViewFarm::new(index, world, chance)),
        Family::DoorTester => Box::new(DoorTester::new(index, robbed, world, chance)),
        Family::BrowserExtension => {
            let host = BrowserExtension::host(robbed, index, world);
            Box::new(BrowserExtension::new(robbed, host, chance))
        }
        // Partners are the first dozen tenants.
        Family::LeakedSigner => Box::new(LeakedSigner::new(tenant % 12, chance)),
        Family::LeavingInsider => Box::new(LeavingInsider::new(index, world, chance)),
        Family::CacheBuster => Box::new(CacheBuster::new(stolen_key(family, index), world, chance)),
        Family::PublicFlood => Box::new(PublicFlood::new(chance)),
    }
}

/// Whom the `index`th thief of a family robs: other tenants than those with the first dashboards.
fn robbed_tenant(index: u64) -> usize {
    usize::try_from((index * 7 + 3) % TENANTS as u64).unwrap_or(0)
}

/// The key that the `index`th thief of a family uses; of most the owner uses it, too, and did before.
fn stolen_key(thief: Family, index: u64) -> Victim {
    Victim { tenant: robbed_tenant(index), key: (thief as u64) << 16 | index }
}

/// The token that the `index`th thief of a family uses; where the person is in the cast, it is theirs.
fn stolen_token(thief: Family, tenant: usize, index: u64, world: &World) -> Credential {
    Credential::token(world, tenant, (thief as u64) << 32 | index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_has_its_part_once() {
        assert_eq!(CAST.map(|(family, _)| family), Family::ALL);
    }

    #[test]
    fn the_second_set_brings_its_families_and_as_many_owners_as_thieves() {
        let of = |family| SECOND_CAST.iter().find(|(other, ..)| *other == family).map(|part| part.2);
        assert_eq!(SECOND_CAST.map(|(family, ..)| family)[2..], Family::SECOND_SET);
        assert_eq!(of(Family::Robbed), of(Family::BrowserExtension));
        assert_eq!(of(Family::RobbedApplication), of(Family::CacheBuster));
    }

    #[test]
    fn owners_of_the_second_set_come_after_those_of_the_first() {
        let first = |family| CAST.iter().find(|(other, _)| *other == family).map(|(_, count)| *count);
        assert_eq!(first(Family::Robbed), Some(ROBBED_BEFORE));
        assert_eq!(first(Family::RobbedApplication), Some(ROBBED_APPLICATIONS_BEFORE));
    }
}
