//! The families of actors, and what is true of each.

use std::fmt;

use serde::Serialize;

/// What kind of actor it is. The files that make them say what each does, and why it is worth an answer or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// A person at a browser or in an app, with a line of its own.
    Viewer,
    /// A person in an app, behind an address shared with hundreds.
    BehindCarrier,
    /// A person who looks at the figures all night.
    NightShift,
    /// A person who reloads three times a second.
    Impatient,
    /// A person who opens some 80 past sessions, one by one.
    Archivist,
    /// A big screen with a stream.
    Screen,
    /// A person whose token has run out; the page asks a few times more.
    ForgottenTab,
    /// A person who tries the API for the first time, with a mistake or two.
    Newcomer,
    /// A person whose token somebody stole, and uses at the same time.
    Robbed,
    /// A partner's server that signs.
    Partner,
    /// A dashboard that asks for the same 20 to 300 sessions every 1 to 5 s.
    Dashboard,
    /// An application whose key somebody stole, and uses at the same time.
    RobbedApplication,
    /// An application that sends events.
    EventSender,
    /// A tenant's own engineer who exports by script.
    ExportScript,
    /// A probe of availability.
    Probe,
    /// A polite crawler on public pages.
    Crawler,
    /// Loops over ids with no key or a made up one.
    NaiveScraper,
    /// The same under many names.
    RotatingAgents,
    /// The same from many addresses.
    RotatingAddresses,
    /// A request a minute.
    LowAndSlow,
    /// Sends again what others signed.
    Replayer,
    /// Walks ids with a stolen key.
    StolenKey,
    /// Reads all of a tenant's sessions by script, with a person's stolen token.
    StolenToken,
    /// Draws exports drop by drop with a stolen key.
    Siphon,
    /// Headless browsers with a stolen token and a person's pauses.
    HeadlessFleet,
    /// Guesses keys, a network each.
    KeyGuesser,
    /// One stolen token, used from fifty networks.
    SharedToken,
    /// Looks for open doors.
    Scanner,
    /// Fetches rankings and exports in a burst after a long sleep.
    BurstExporter,
    /// Tries the neighbours of a merchant's sessions.
    Neighbourhood,
    /// Tries credentials from lists, dressed as a browser.
    CredentialStuffer,
    /// A foreign app with a stolen key in it, on hundreds of phones.
    LeechApp,
    /// Hundreds of machines that try a dead token each, once in ten minutes.
    PatientBotnet,
    /// Turns the pages of lists and of anchors with a stolen key.
    ListHarvester,
    /// A person who turns the pages of boards for an hour.
    Analyst,
    /// A person on the way, at another network every few minutes.
    TravellingOwner,
    /// An agency's nightly reading of all its anchors.
    NightBatch,
    /// Copies all boards with a dozen trial accounts.
    TrialSwarm,
    /// Sends made up events from a rack of phones.
    ViewFarm,
    /// Tries with a bought account what else it opens.
    DoorTester,
    /// Reads a tenant's past behind the back of the person in whose browser it lives.
    BrowserExtension,
    /// Signs with a partner's secret.
    LeakedSigner,
    /// Takes all exports home on the last day.
    LeavingInsider,
    /// Asks only what is dear and what no cache has.
    CacheBuster,
    /// Asks for public pages from hundreds of lines.
    PublicFlood,
}

/// What is true of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// People: they may not be disturbed.
    Person,
    /// Programs that have every right.
    Machine,
    /// Attackers that rules may be tuned with.
    Hostile,
    /// Attackers that nobody looks at while tuning.
    Unseen,
    /// Of those, the ones that were written after the rules.
    Later,
    /// Attackers of the second set of later ones.
    SecondSet,
}

impl Family {
    /// All but those of the second set, people first.
    pub const ALL: [Family; 34] = [
        Family::Viewer,
        Family::BehindCarrier,
        Family::NightShift,
        Family::Impatient,
        Family::Archivist,
        Family::Screen,
        Family::ForgottenTab,
        Family::Newcomer,
        Family::Robbed,
        Family::Partner,
        Family::Dashboard,
        Family::RobbedApplication,
        Family::EventSender,
        Family::ExportScript,
        Family::Probe,
        Family::Crawler,
        Family::NaiveScraper,
        Family::RotatingAgents,
        Family::RotatingAddresses,
        Family::LowAndSlow,
        Family::Replayer,
        Family::StolenKey,
        Family::StolenToken,
        Family::Siphon,
        Family::HeadlessFleet,
        Family::KeyGuesser,
        Family::SharedToken,
        Family::Scanner,
        Family::BurstExporter,
        Family::Neighbourhood,
        Family::CredentialStuffer,
        Family::LeechApp,
        Family::PatientBotnet,
        Family::ListHarvester,
    ];

    /// Those of the second set, who take part in worlds of their own: the honest first, people before
    /// machines.
    pub const SECOND_SET: [Family; 11] = [
        Family::Analyst,
        Family::TravellingOwner,
        Family::NightBatch,
        Family::TrialSwarm,
        Family::ViewFarm,
        Family::DoorTester,
        Family::BrowserExtension,
        Family::LeakedSigner,
        Family::LeavingInsider,
        Family::CacheBuster,
        Family::PublicFlood,
    ];

    /// What is true of it.
    pub fn kind(self) -> Kind {
        if self <= Family::Robbed {
            Kind::Person
        } else if self <= Family::Crawler {
            Kind::Machine
        } else if self <= Family::Siphon {
            Kind::Hostile
        } else if self <= Family::CredentialStuffer {
            Kind::Unseen
        } else if self <= Family::ListHarvester {
            Kind::Later
        } else if self <= Family::TravellingOwner {
            Kind::Person
        } else if self <= Family::NightBatch {
            Kind::Machine
        } else {
            Kind::SecondSet
        }
    }

    /// Whether it is an attacker.
    pub fn is_hostile(self) -> bool {
        matches!(self.kind(), Kind::Hostile | Kind::Unseen | Kind::Later | Kind::SecondSet)
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Family::Viewer => "viewer",
            Family::BehindCarrier => "behind_carrier",
            Family::NightShift => "night_shift",
            Family::Impatient => "impatient",
            Family::Archivist => "archivist",
            Family::Screen => "screen",
            Family::ForgottenTab => "forgotten_tab",
            Family::Newcomer => "newcomer",
            Family::Robbed => "robbed",
            Family::Partner => "partner",
            Family::Dashboard => "dashboard",
            Family::RobbedApplication => "robbed_application",
            Family::EventSender => "event_sender",
            Family::ExportScript => "export_script",
            Family::Probe => "probe",
            Family::Crawler => "crawler",
            Family::NaiveScraper => "naive_scraper",
            Family::RotatingAgents => "rotating_agents",
            Family::RotatingAddresses => "rotating_addresses",
            Family::LowAndSlow => "low_and_slow",
            Family::Replayer => "replayer",
            Family::StolenKey => "stolen_key",
            Family::StolenToken => "stolen_token",
            Family::Siphon => "siphon",
            Family::HeadlessFleet => "headless_fleet",
            Family::KeyGuesser => "key_guesser",
            Family::SharedToken => "shared_token",
            Family::Scanner => "scanner",
            Family::BurstExporter => "burst_exporter",
            Family::Neighbourhood => "neighbourhood",
            Family::CredentialStuffer => "credential_stuffer",
            Family::LeechApp => "leech_app",
            Family::PatientBotnet => "patient_botnet",
            Family::ListHarvester => "list_harvester",
            Family::Analyst => "analyst",
            Family::TravellingOwner => "travelling_owner",
            Family::NightBatch => "night_batch",
            Family::TrialSwarm => "trial_swarm",
            Family::ViewFarm => "view_farm",
            Family::DoorTester => "door_tester",
            Family::BrowserExtension => "browser_extension",
            Family::LeakedSigner => "leaked_signer",
            Family::LeavingInsider => "leaving_insider",
            Family::CacheBuster => "cache_buster",
            Family::PublicFlood => "public_flood",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_fall_into_five_kinds_in_their_order() {
        let count = |kind| Family::ALL.iter().filter(|family| family.kind() == kind).count();
        assert_eq!(
            [Kind::Person, Kind::Machine, Kind::Hostile, Kind::Unseen, Kind::Later].map(count),
            [9, 7, 8, 7, 3]
        );
        assert!(Family::ALL.is_sorted());
    }

    #[test]
    fn the_second_set_is_eight_attackers_and_three_who_are_welcome() {
        let count = |kind| Family::SECOND_SET.iter().filter(|family| family.kind() == kind).count();
        assert_eq!([Kind::Person, Kind::Machine, Kind::SecondSet].map(count), [2, 1, 8]);
        assert!(Family::SECOND_SET.is_sorted());
        assert!(Family::ALL.iter().all(|family| *family < Family::SECOND_SET[0]));
    }
}
