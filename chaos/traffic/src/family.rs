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
}

impl Family {
    /// All of them, people first.
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
        } else {
            Kind::Later
        }
    }

    /// Whether it is an attacker.
    pub fn is_hostile(self) -> bool {
        matches!(self.kind(), Kind::Hostile | Kind::Unseen | Kind::Later)
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
}
