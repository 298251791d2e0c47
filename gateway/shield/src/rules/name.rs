//! The signals that there are.

use serde::Deserialize;

/// What a rule looks at, which decides whom it may concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// What a request looks like and where it comes from. Never counts for signed applications.
    Looks,
    /// What somebody does without a credential. Counts for nobody else.
    Unknown,
    /// What a credential is used for. Counts for whoever shows one.
    Behaviour,
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $about:ident;)*) => {
        /// A signal, and the rule about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
        #[repr(u8)]
        pub enum Name {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl Name {
            /// All of them, in the order of their numbers.
            pub const ALL: [Name; [$($text),*].len()] = [$(Name::$name),*];

            /// As it is written in rules, reasons and counters.
            pub const fn text(self) -> &'static str {
                match self { $(Name::$name => $text,)* }
            }

            /// What it looks at.
            pub const fn about(self) -> About {
                match self { $(Name::$name => About::$about,)* }
            }
        }
    };
}

names! {
    /// The user agent is on the list of crawlers.
    AgentCrawler = "agent-crawler", Looks;
    /// The user agent is that of a tool for attacks.
    AgentTool = "agent-tool", Looks;
    /// The user agent has a word that only programs have.
    AgentWord = "agent-word", Looks;
    /// The user agent is that of a library.
    AgentLibrary = "agent-library", Looks;
    /// There is no user agent.
    AgentMissing = "agent-missing", Looks;
    /// It claims to be a crawler whose operator denies the address.
    CrawlerFalse = "crawler-false", Looks;
    /// It is a verified crawler.
    CrawlerVerified = "crawler-verified", Looks;
    /// The user agent is a browser's and the headers are not; counted in faults.
    HeadersUnlike = "headers-unlike", Looks;
    /// The user agent is that of an application that signs, and this is not signed.
    SignatureMissing = "signature-missing", Looks;
    /// The network is on the list of blocked ones.
    NetworkBlocked = "network-blocked", Looks;
    /// Paths that only those ask for who look for holes; counted in requests.
    Honeypot = "honeypot", Behaviour;
    /// Requests of an address without a valid credential; counted in requests of late.
    Failing = "failing", Unknown;
    /// The same over all addresses that send headers of one form; counted in requests of late.
    ShapeFailing = "shape-failing", Unknown;
    /// Requests of an address for public pages; counted by the minute.
    Rate = "rate", Unknown;
    /// An application visits many sessions, and nearly all of them once; counted in sessions.
    Breadth = "breadth", Behaviour;
    /// A person does; counted in sessions.
    BreadthPerson = "breadth-person", Behaviour;
    /// An application's key does, where it has not been before; counted in sessions.
    BreadthStranger = "breadth-stranger", Behaviour;
    /// A person's token does: people look around, on new devices as well; counted in sessions.
    BreadthStrangerPerson = "breadth-stranger-person", Behaviour;
    /// Sessions are visited in the order of their numbers; counted in sessions.
    Walk = "walk", Behaviour;
    /// The same, where the credential has not been before.
    WalkStranger = "walk-stranger", Behaviour;
    /// Sessions are asked for that do not exist for the caller; counted in visits.
    NotFound = "not-found", Behaviour;
    /// A credential is used where it has not been: 1 by the network, 2 by user agent and network.
    Stranger = "stranger", Behaviour;
    /// It exports there, or turns the pages of lists; counted in requests.
    ExportsStranger = "exports-stranger", Behaviour;
    /// Signed requests arrive a second time from there; counted in requests.
    Replays = "replays", Behaviour;
    /// One person's token, one network and many user agents; counted in user agents.
    AgentsMany = "agents-many", Behaviour;
    /// One person's token, and many networks within an hour or two; counted in networks.
    NetworksMany = "networks-many", Behaviour;
}
