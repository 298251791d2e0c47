//! Under which keys an event counts (rule 7).

use serde::{Deserialize, Serialize};
use tandem_model::Breakdown;
use tandem_model::catalogue::UNKNOWN;
use tandem_model::event::{Kind, Viewer};

use crate::keys::{FANS_FROM, KeyNumber, Keys, SOURCES_FROM, listed_source};

/// How many breakdowns every viewer event is attributed to.
pub(crate) const ATTRIBUTED: usize = 5;
/// The breakdowns every viewer event is attributed to, in the order of [`Attribution`].
pub(crate) const ATTRIBUTED_BREAKDOWNS: [Breakdown; ATTRIBUTED] =
    [Breakdown::Channel, Breakdown::Source, Breakdown::Fan, Breakdown::Region, Breakdown::Device];

/// The place of [`Breakdown::Region`] among them.
pub(crate) const REGION: usize = 3;

/// The key of an event in each of [`ATTRIBUTED_BREAKDOWNS`].
pub(crate) type Attribution = [KeyNumber; ATTRIBUTED];

// Numbers of the fixed keys: their places in the catalogue's `SOURCES` and `FANS`.
const SOURCE_OTHER: KeyNumber = SOURCES_FROM + 13;
const SOURCE_UNKNOWN: KeyNumber = SOURCES_FROM + 14;
const FAN: KeyNumber = FANS_FROM;
const NEW_FAN: KeyNumber = FANS_FROM + 1;
const GUEST: KeyNumber = FANS_FROM + 2;
const FAN_UNKNOWN: KeyNumber = FANS_FROM + 3;

/// What is remembered of a viewer for events that do not say it themselves.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Remembered {
    channel: Option<KeyNumber>,
    source: Option<KeyNumber>,
    region: Option<KeyNumber>,
    device: Option<KeyNumber>,
    is_fan: Option<bool>,
    /// Whether the viewer has followed during the session.
    followed: bool,
}

impl Remembered {
    /// The keys of an event, after it is applied: its own, else those of the viewer's last
    /// `enter`, else `unknown`. An `enter` is remembered field by field.
    pub(crate) fn attribute(
        &mut self,
        viewer: &Viewer<'_>,
        kind: &Kind<'_>,
        keys: &mut Keys,
        session_id: &str,
    ) -> Attribution {
        let mut claim = |breakdown, own: Option<&str>, remembered: Option<KeyNumber>| match (own, remembered)
        {
            (Some(name), _) => keys.claim(breakdown, name, session_id),
            (None, Some(number)) => number,
            (None, None) => keys.claim(breakdown, UNKNOWN, session_id),
        };
        let channel = claim(Breakdown::Channel, viewer.channel.as_deref(), self.channel);
        let region = claim(Breakdown::Region, viewer.region.as_deref(), self.region);
        let device = claim(Breakdown::Device, viewer.device.as_deref(), self.device);
        let own_source = viewer.source.as_deref().map(|name| listed_source(name).unwrap_or(SOURCE_OTHER));
        let source = own_source.or(self.source).unwrap_or(SOURCE_UNKNOWN);
        let is_fan = viewer.is_fan.or(self.is_fan);

        match kind {
            Kind::Enter => {
                // What the enter did not say is `unknown` now, but an enter before may have.
                let said = |said: bool, number, before| if said { Some(number) } else { before };
                self.channel = said(viewer.channel.is_some(), channel, self.channel);
                self.region = said(viewer.region.is_some(), region, self.region);
                self.device = said(viewer.device.is_some(), device, self.device);
                self.source = own_source.or(self.source);
                self.is_fan = is_fan;
            }
            Kind::Follow => self.followed = true,
            _ => {}
        }
        let fan = match is_fan {
            None => FAN_UNKNOWN,
            Some(true) => FAN,
            Some(false) if self.followed => NEW_FAN,
            Some(false) => GUEST,
        };
        [channel, source, fan, region, device]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tandem_model::catalogue::{FANS, OTHER};

    #[test]
    fn the_region_stands_in_its_place() {
        assert_eq!(ATTRIBUTED_BREAKDOWNS[REGION], Breakdown::Region);
    }

    #[test]
    fn the_fixed_keys_stand_where_the_catalogue_has_them() {
        assert_eq!(listed_source(OTHER), Some(SOURCE_OTHER));
        assert_eq!(listed_source(UNKNOWN), Some(SOURCE_UNKNOWN));
        let fans = [FAN, NEW_FAN, GUEST, FAN_UNKNOWN].map(|number| FANS[usize::from(number - FANS_FROM)]);
        assert_eq!(fans, FANS);
    }
}
