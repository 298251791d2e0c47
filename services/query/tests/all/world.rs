//! One chain in memory: a log, the fold of each partition, stores, and the node that reads them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tandem_fold::Fold;
use tandem_model::partition::partition_of;
use tandem_model::retention::Retention;
use tandem_model::route::Chain;
use tandem_model::{
    Calendar, Changes, Cut, LogId, PartitionId, PseudonymKey, Record, Rules, Scope, Token, Verdicts, headers,
};
use tandem_query::Query;
use tandem_storage::faulty::{self, ChainPlans};
use tandem_storage::memory::{self, MemoryEventLog, MemoryRowStore};
use tandem_storage::{Append, Applied, ChainStores, EventLog, HotStore, Incarnation, Select};
use tokio::sync::Mutex;
use tower::ServiceExt;

/// How many partitions the log has.
pub(crate) const PARTITIONS: u32 = 3;
/// The second at which most scenarios begin, a whole five minutes.
pub(crate) const BEGIN: u64 = 1_732_190_400;
/// The same in milliseconds.
pub(crate) const BEGIN_MS: u64 = BEGIN * 1_000;

pub(crate) struct World {
    pub(crate) log: Arc<MemoryEventLog>,
    pub(crate) stores: ChainStores,
    pub(crate) plans: ChainPlans,
    folds: Vec<Fold>,
    incarnations: Mutex<BTreeMap<PartitionId, (Incarnation, Cut)>>,
    router: axum::Router,
    ids: u64,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, text }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The name of the problem.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let kind = self.json()["type"].as_str().unwrap().to_owned();
        kind.strip_prefix("urn:tandem:problem:").unwrap().to_owned()
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(MemoryEventLog::new(PARTITIONS))
    }

    /// A world whose days are those of this calendar.
    pub(crate) fn within(calendar: Calendar) -> Self {
        Self::with(MemoryEventLog::new(PARTITIONS), calendar)
    }

    /// A world on an empty log of [`PARTITIONS`] partitions, with rows that go as in production.
    pub(crate) fn on(log: MemoryEventLog) -> Self {
        Self::with(log, Calendar::default())
    }

    fn with(log: MemoryEventLog, calendar: Calendar) -> Self {
        Self::reading_anew(Arc::new(log), calendar)
    }

    /// Another chain on the log of this world, which has read all of it and knows what verdicts say.
    pub(crate) async fn heeding(&self) -> Self {
        let mut again = Self::reading_anew(self.log.clone(), Calendar::default());
        let mut folds = Vec::new();
        for (partition, fold) in (0..PARTITIONS).map(PartitionId).zip(again.folds) {
            let known = tandem_storage::verdicts(&*self.log, partition, Verdicts::default(), 0).await;
            folds.push(fold.knowing(&known.unwrap()).expect("it has applied nothing"));
        }
        again.folds = folds;
        again.flush().await;
        again
    }

    fn reading_anew(log: Arc<MemoryEventLog>, calendar: Calendar) -> Self {
        let rows = Arc::new(MemoryRowStore::with_retention(Retention::Tiers));
        let stores = ChainStores { rows, ..memory::chain_stores() };
        let plans = ChainPlans::default();
        let disturbed = faulty::chain_stores(stores.clone(), &plans);
        let query = Query::new(Chain::A, log.clone(), disturbed).within(calendar.clone());
        let rules = Rules { key: PseudonymKey::new([7; 16]), calendar };
        let fold = |partition| Fold::new(PartitionId(partition), PARTITIONS, rules.clone());
        let folds = (0..PARTITIONS).map(fold).collect();
        Self {
            log,
            stores,
            plans,
            folds,
            incarnations: Mutex::default(),
            router: tandem_query::router(query),
            ids: 0,
        }
    }

    /// A node beside `world`, on the same log and rows, with another hot store.
    pub(crate) fn reading(world: &World, hot: Arc<dyn HotStore>) -> Self {
        Self::beside(world, ChainStores { hot, ..world.stores.clone() })
    }

    /// A node beside `world`, on the same log, that reads these stores.
    pub(crate) fn beside(world: &World, stores: ChainStores) -> Self {
        let router = tandem_query::router(Query::new(Chain::A, world.log.clone(), stores.clone()));
        Self { log: world.log.clone(), stores, router, ..Self::new() }
    }

    /// A world with one session `s1`: a start, three viewers over several minutes, an order, a
    /// refund, a source that is not listed, one late and one malformed line.
    pub(crate) async fn with_session() -> Self {
        let mut world = Self::new();
        world.beat(BEGIN).await;
        world.start("s1", BEGIN_MS + 5_000).await;
        let enter = |user: &str, source: &str| json!({"type": "enter", "user_id": user, "source": source, "is_fan": user == "u1"});
        world.event("s1", BEGIN_MS + 10_000, enter("u1", "recommend")).await;
        world.event("s1", BEGIN_MS + 12_000, enter("u2", "billboard")).await;
        world.event("s1", BEGIN_MS + 13_000, enter("u2", "follow")).await;
        world.beat(BEGIN + 180).await;
        world.event("s1", BEGIN_MS + 185_000, enter("u3", "ads")).await;
        let order = json!({"type": "order_paid", "user_id": "u1", "order_id": "o1", "item_id": "i1",
            "amount_fen": 9_900, "quantity": 2});
        world.event("s1", BEGIN_MS + 186_000, order).await;
        let refund = json!({"type": "order_refunded", "user_id": "u1", "order_id": "o1", "item_id": "i1",
            "amount_fen": 20_000});
        world.event("s1", BEGIN_MS + 187_000, refund).await;
        world.event("s1", BEGIN_MS - 3_600_000, json!({"type": "like", "user_id": "u1"})).await;
        world
            .append("s1", r#"{"type":"like","session_id":"s1","event_id":"x","ts":"soon","user_id":"u1"}"#)
            .await;
        world.beat(BEGIN + 240).await;
        world.flush().await;
        world
    }

    /// The node has been asked before: it knows by which definitions it computes.
    pub(crate) async fn warm(&self) {
        self.ok("/v1/catalog/metrics").await;
    }

    /// Appends a line to the partition of `key`.
    pub(crate) async fn append(&mut self, key: &str, line: &str) {
        let record = Record::line(line.to_owned().into());
        let records = vec![(partition_of(key.as_bytes(), PARTITIONS), record)];
        self.log.append(Append { records, receipt: None }).await.unwrap();
    }

    /// Appends an event with an id of its own.
    pub(crate) async fn event(&mut self, session: &str, ts: u64, mut event: Value) {
        self.ids += 1;
        event["event_id"] = json!(format!("e{}", self.ids));
        event["session_id"] = json!(session);
        event["ts"] = json!(ts);
        self.append(session, &event.to_string()).await;
    }

    /// Appends the start of a session.
    pub(crate) async fn start(&mut self, session: &str, ts: u64) {
        self.start_of(session, ts, &format!("anchor-of-{session}"), None).await;
    }

    /// The same, of this anchor, who sells for this merchant.
    pub(crate) async fn start_of(&mut self, session: &str, ts: u64, anchor: &str, merchant: Option<&str>) {
        let mut start = json!({"type": "session_start", "anchor_id": anchor, "room_id": "r1",
            "title": "冬装 \"winter\"", "category": "clothing", "anchor_name": "Lin", "anchor_fans": 12_000,
            "content_type": "sale", "region": "浙江", "brand": "b1"});
        if let Some(merchant) = merchant {
            start["merchant_id"] = json!(merchant);
        }
        self.event(session, ts, start).await;
    }

    /// Appends a beat to every partition.
    pub(crate) async fn beat(&mut self, second: u64) {
        let records =
            (0..PARTITIONS).map(|partition| (PartitionId(partition), Record::beat(second))).collect();
        self.log.append(Append { records, receipt: None }).await.unwrap();
    }

    /// Folds what the log holds beyond the folds, and hands over what changed.
    pub(crate) async fn fold(&mut self) -> Vec<Changes> {
        let mut changes = Vec::new();
        for (partition, fold) in (0..PARTITIONS).map(PartitionId).zip(&mut self.folds) {
            loop {
                let records = self.log.read(partition, fold.cut().next, 1 << 20).await.unwrap();
                if records.is_empty() {
                    break;
                }
                for (offset, record) in &records {
                    fold.apply(*offset, record);
                }
            }
            changes.push(fold.take_changes());
        }
        changes
    }

    /// Folds, and writes into all stores as the chain would.
    pub(crate) async fn flush(&mut self) {
        for changes in self.fold().await {
            self.write_rows(&changes).await;
            self.write_hot(&changes).await;
        }
    }

    pub(crate) async fn write_rows(&self, changes: &Changes) {
        self.stores.dead_letters.append(&changes.rejected).await.unwrap();
        self.stores.editions.keep(&changes.editions, changes.cut.next).await.unwrap();
        self.stores.rows.apply(changes).await.unwrap();
    }

    pub(crate) async fn write_hot(&self, changes: &Changes) {
        let hot = &self.stores.hot;
        let mut incarnations = self.incarnations.lock().await;
        let known = incarnations.get(&changes.partition).copied();
        let applied = match known {
            Some((incarnation, base)) => (incarnation, hot.apply(incarnation, base, changes).await.unwrap()),
            None => (Incarnation(0), Applied::Lost),
        };
        let (incarnation, absent) = match applied {
            (incarnation, Applied::Done { absent }) => (incarnation, absent),
            (_, Applied::Lost) => {
                let begun = hot.begin(changes.partition, changes.cut).await.unwrap().unwrap();
                (begun, changes.sessions.iter().map(|change| change.session_id.clone()).collect())
            }
        };
        for absent in absent {
            let whole = self.stores.rows.session(absent.as_str(), &Select::Totals).await.unwrap().unwrap();
            hot.put(incarnation, whole).await.unwrap();
        }
        incarnations.insert(changes.partition, (incarnation, changes.cut));
    }

    /// How far the rows of the partition of `session` reach.
    pub(crate) async fn cut(&self, session: &str) -> Cut {
        let partition = partition_of(session.as_bytes(), PARTITIONS);
        self.stores.rows.progress(partition).await.unwrap().unwrap()
    }

    /// A token that has read the partition of `session` up to `next`.
    pub(crate) fn token(&self, session: &str, next: u64) -> String {
        let mut token = Token::new(self.log.id());
        token.advance(partition_of(session.as_bytes(), PARTITIONS), next);
        token.encode()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    pub(crate) async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(Method::GET, path, headers).await
    }

    /// As an operator, unless the headers say otherwise.
    pub(crate) async fn send(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        let everything = Scope::All.encode();
        let has_scope = headers.iter().any(|(name, _)| *name == headers::SCOPE);
        let scope = (!has_scope).then_some((headers::SCOPE, everything.as_str()));
        let all: Vec<_> = headers.iter().copied().chain(scope).collect();
        self.send_just(method, path, &all).await
    }

    /// With these headers and no others.
    ///
    /// What takes a while to prepare is asked for again.
    pub(crate) async fn send_just(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
        loop {
            let mut request = Request::builder().method(method.clone()).uri(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = self.pass(request.body(Body::empty()).unwrap()).await;
            if answer.status != 503 || !answer.text.contains(":in-preparation\"") {
                return answer;
            }
            assert_eq!(answer.header("retry-after"), "1");
        }
    }

    /// As somebody with this scope.
    pub(crate) async fn get_as(&self, scope: &Scope, path: &str) -> Answer {
        self.get_with(path, &[(headers::SCOPE, &scope.encode())]).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        self.pass(Request::post(path).body(Body::from(body.to_owned())).unwrap()).await
    }

    async fn pass(&self, request: Request<Body>) -> Answer {
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// The answer to a request that must succeed.
    pub(crate) async fn ok(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let json = answer.json();
        assert_eq!(answer.header("tandem-token"), json["meta"]["token"], "{path}");
        assert_eq!(answer.header("tandem-chain"), "a", "{path}");
        json
    }
}

/// Another log's token.
pub(crate) fn foreign_token() -> String {
    Token::new(LogId([9; 16])).encode()
}
