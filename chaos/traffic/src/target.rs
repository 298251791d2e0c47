//! Paths and queries of the API, as clients write them.

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) path: String,
    pub(crate) query: Option<String>,
}

impl Target {
    pub(crate) fn of(path: impl Into<String>) -> Self {
        Self { path: path.into(), query: None }
    }

    pub(crate) fn with(path: impl Into<String>, query: impl Into<String>) -> Self {
        Self { path: path.into(), query: Some(query.into()) }
    }
}

/// The boards that callers ask for.
pub(crate) const BOARDS: [&str; 8] = [
    "session.gmv",
    "session.gpm",
    "anchor.gmv",
    "anchor.viewers",
    "growth.gmv_7d",
    "item.orders",
    "brand.gmv",
    "merchant.gmv",
];

/// The tables that are exported.
pub(crate) const TABLES: [&str; 5] =
    ["dws_session_total", "dws_session_trend", "dws_item_total", "dws_source_total", "dws_ranking"];

pub(crate) fn session(id: u64) -> Target {
    Target::of(format!("/v1/sessions/{id}"))
}

/// A page of a session: `report`, `trend`, `stream`, `moments`, `topics`, `rejected`, `compare`.
pub(crate) fn page(id: u64, page: &str) -> Target {
    let path = format!("/v1/sessions/{id}/{page}");
    match page {
        "report" => Target::with(path, "breakdowns=source,item"),
        "trend" => Target::with(path, "metrics=views,gmv_fen&step=1m"),
        _ => Target::of(path),
    }
}

pub(crate) fn compare(id: u64, other: u64) -> Target {
    Target::with(
        format!("/v1/sessions/{id}/compare"),
        format!("with={other}&metrics=views,gmv_fen&align=start"),
    )
}

pub(crate) fn sessions(anchor: &str, cursor: Option<u64>) -> Target {
    let cursor = cursor.map(|cursor| format!("&cursor=c{cursor}")).unwrap_or_default();
    Target::with("/v1/sessions", format!("anchor_id={anchor}&limit=50{cursor}"))
}

pub(crate) fn anchor(id: &str, page: &str) -> Target {
    Target::of(format!("/v1/anchors/{id}/{page}"))
}

pub(crate) fn board(board: &str, period: &str, cursor: u64) -> Target {
    let cursor = if cursor == 0 { String::new() } else { format!("&cursor=c{cursor}") };
    Target::with(format!("/v1/rankings/{board}"), format!("period={period}&limit=100{cursor}"))
}

pub(crate) fn subject(board: &str, id: &str) -> Target {
    Target::with(format!("/v1/rankings/{board}/subjects/{id}"), "period=day")
}

pub(crate) fn export(table: &str, format: &str, cursor: u64) -> Target {
    Target::with(format!("/v1/export/{table}"), format!("format={format}&cursor=c{cursor}"))
}
