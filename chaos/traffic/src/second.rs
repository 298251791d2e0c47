//! The second set of what was written later: eight attackers and three kinds of honest callers, none of
//! whom anybody had in mind who wrote a rule. **Whoever tunes rules must not look in here, nor at the
//! figures by family of what is in here**: they stand for those whom nobody has met yet.
//!
//! Their author knew the contract of the API and the other families, and of the shield neither rules nor
//! weights nor windows; what is known in public of such attackers was the source. "OAT" are the OWASP
//! Automated Threats to Web Applications (handbook 1.2), "API" the OWASP API Security Top 10 of 2023,
//! "T" the techniques of MITRE ATT&CK.
//!
//! | attacker | after | shows | comes from | the harm |
//! |---|---|---|---|---|
//! | trial swarm | OAT-019, OAT-011 | keys of trial tenants of its own | clouds | all boards copied whole, each account within its limits |
//! | browser extension | T1176, OAT-011 | a person's token | that person's own browser and line | all past sessions, one by one, behind the person's back |
//! | leaving insider | T1213, T1567 | a token of his own | the office, then home | all exports and audiences, taken along |
//! | cache buster | OAT-015, API4 | a stolen key | rented lines | the dearest questions there are, none of them twice |
//! | view farm | OAT-016, OAT-003, API6 | the key of its own shop | phones | made up events, in waves, to climb a board |
//! | door tester | OAT-014, API1, API5 | a bought account | a carrier's address | tries whose data opens, and which doors of operators |
//! | leaked signer | T1552 | a partner's signing secret | a server | a partner's whole history, with signatures that are good |
//! | public flood | OAT-015 | nothing | hundreds of lines | public pages, made dear by a query of its own each time |
//!
//! Those who are welcome are in `welcome.rs`: an agency's night batch, an analyst who turns the pages of
//! boards for an hour, and the owner of a shop who travels.
//!
//! They take part in a world of their own, with all others beside them, so that what was measured without
//! them stays what it was.

mod accounts;
mod flood;
mod insider;
mod taken;
mod welcome;

pub(crate) use accounts::{DoorTester, TrialSwarm, ViewFarm};
pub(crate) use flood::{CacheBuster, PublicFlood};
pub(crate) use insider::LeavingInsider;
pub(crate) use taken::{BrowserExtension, LeakedSigner};
pub(crate) use welcome::{Analyst, NightBatch, TravellingOwner};
