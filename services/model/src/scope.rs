//! What a caller may see and send.
//!
//! The gateway knows who asks; which sessions are whose stands in the rows. So the gateway sends the
//! scope along with every read ([`headers::SCOPE`](crate::headers::SCOPE)), and the query node
//! answers within it: what lies outside is answered as what does not exist.
//!
//! | grant | of a | sees |
//! |---|---|---|
//! | `anchors` | anchor, MCN | everything of these anchors' sessions |
//! | `merchants` | merchant | breakdown `item` of sessions that sold for these merchants |
//! | `channels` | advertiser | breakdown `channel`, these keys only, of sessions they brought viewers to |
//! | `tables` | partner | these DWS tables, of every session |
//!
//! Grants add up. A campaign of an advertiser is a `channel`: what its links carry.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::row::Attributes;

/// The longest scope in its header's form, in bytes: a head that carries it must pass everywhere.
pub const BYTES_MAX: usize = 12 * 1024;

/// What a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Everything: operators.
    All,
    /// What the grants allow, and what is public.
    Granted(Grants),
}

/// What was granted. Empty: only what is public.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Anchors, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub anchors: BTreeSet<String>,
    /// Merchants, by id.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub merchants: BTreeSet<String>,
    /// Labels of breakdown `channel`.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub channels: BTreeSet<String>,
    /// DWS tables, by name.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tables: BTreeSet<String>,
}

/// How much of one session a scope shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View<'a> {
    /// All of it.
    Whole,
    /// A part of it, if any: what the merchant's and the advertiser's grants add up to.
    Part {
        /// Whether breakdown `item` may be read.
        items: bool,
        /// The keys of breakdown `channel` that may be read; none may where it is empty.
        channels: &'a BTreeSet<String>,
    },
}

impl Scope {
    /// How much of a session with these attributes is shown: where they are not known yet, it is
    /// nobody's in particular.
    ///
    /// [`View::Part`] without items and with channels shows the session only where one of these
    /// channels has a row in it; the caller looks.
    pub fn view(&self, attributes: Option<&Attributes>) -> View<'_> {
        static NONE: BTreeSet<String> = BTreeSet::new();
        let Scope::Granted(grants) = self else { return View::Whole };
        let Some(known) = attributes else { return View::Part { items: false, channels: &NONE } };
        if grants.anchors.contains(&known.anchor_id) {
            return View::Whole;
        }
        let merchant = known.merchant_id.as_ref();
        View::Part {
            items: merchant.is_some_and(|merchant| grants.merchants.contains(merchant)),
            channels: &grants.channels,
        }
    }

    /// Whether events of this anchor's sessions may be sent by somebody with this scope who may
    /// send at all.
    pub fn owns(&self, anchor_id: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Granted(grants) => grants.anchors.contains(anchor_id),
        }
    }

    /// Whether a whole DWS table may be read.
    pub fn has_table(&self, name: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Granted(grants) => grants.tables.contains(name),
        }
    }

    /// As it stands in its header: base64url of JSON. Equal scopes have equal forms.
    pub fn encode(&self) -> String {
        let json = serde_json::to_vec(self).expect("sets of text make JSON");
        URL_SAFE_NO_PAD.encode(json)
    }

    /// The scope in a header.
    ///
    /// # Errors
    ///
    /// When it is none, or longer than [`BYTES_MAX`].
    pub fn decode(text: &str) -> Result<Self, ScopeError> {
        if text.len() > BYTES_MAX {
            return Err(ScopeError);
        }
        let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| ScopeError)?;
        serde_json::from_slice(&json).map_err(|_| ScopeError)
    }
}

/// A header that holds no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no scope of at most {BYTES_MAX} bytes")]
pub struct ScopeError;

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn attributes(anchor: &str, merchant: Option<&str>) -> Attributes {
        Attributes {
            anchor_id: anchor.to_owned(),
            room_id: "r".to_owned(),
            title: "t".to_owned(),
            category: "c".to_owned(),
            anchor_name: "n".to_owned(),
            anchor_fans: 1,
            content_type: "live".to_owned(),
            region: "zj".to_owned(),
            merchant_id: merchant.map(str::to_owned),
            brand: None,
            started_at: 1,
        }
    }

    #[test]
    fn grants_add_up_and_nothing_else_is_seen() {
        let grants = Grants {
            anchors: set(&["a1"]),
            merchants: set(&["m1"]),
            channels: set(&["c1"]),
            ..Grants::default()
        };
        let (scope, channels) = (Scope::Granted(grants), set(&["c1"]));
        let part = |items| View::Part { items, channels: &channels };
        let none = BTreeSet::new();
        assert_eq!(scope.view(Some(&attributes("a1", Some("m2")))), View::Whole);
        assert_eq!(scope.view(Some(&attributes("a2", Some("m1")))), part(true));
        assert_eq!(scope.view(Some(&attributes("a2", Some("m2")))), part(false));
        assert_eq!(scope.view(Some(&attributes("m1", None))), part(false));
        assert_eq!(
            scope.view(None),
            View::Part { items: false, channels: &none },
            "whose it is is not known"
        );
        assert_eq!(Scope::All.view(None), View::Whole);
        assert!(scope.owns("a1") && !scope.owns("m1") && Scope::All.owns("x"));
        assert!(!scope.has_table("dws_session") && Scope::All.has_table("dws_session"));
    }

    #[test]
    fn equal_scopes_have_equal_headers_and_nonsense_is_none() {
        let grants = Grants { anchors: set(&["b", "a"]), tables: set(&["dws_session"]), ..Grants::default() };
        for scope in [Scope::All, Scope::Granted(Grants::default()), Scope::Granted(grants)] {
            assert_eq!(Scope::decode(&scope.encode()), Ok(scope));
        }
        let unknown = URL_SAFE_NO_PAD.encode(br#"{"granted":{"everything":true}}"#);
        for nonsense in ["", "{}", "!", &unknown, &"A".repeat(BYTES_MAX + 1)] {
            assert_eq!(Scope::decode(nonsense), Err(ScopeError), "{nonsense:?}");
        }
    }
}
