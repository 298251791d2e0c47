//! Migrations, what is refused, and the tables as they are described.

use std::collections::BTreeMap;

use tandem_model::{Calendar, LogId};
use tandem_scylla::{LogIdentity, ScyllaStore, describe, schema};
use tandem_storage::suite::fixtures::changes;
use tandem_storage::{RowStore, StoreError};

use super::support::{LOG, fresh, gone, open, raw, refused, settings};

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_is_applied_once_by_however_many() {
    let settings = settings("schema");
    let status = schema::status(&settings).await.expect("status");
    assert_eq!((status.version, status.pending.len()), (0, 1 + schema::VERSION as usize), "{status:?}");
    assert!(
        refused(ScyllaStore::note_log(&settings, LOG, &Calendar::default()).await.map(|_| ()))
            .contains("no keyspace")
    );

    let mut at_once = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let settings = settings.clone();
        at_once.spawn(async move { schema::apply(&settings).await });
    }
    let done: Vec<_> = at_once.join_all().await.into_iter().map(|one| one.expect("apply")).collect();
    let migrations = |done: &[String]| done.iter().filter(|one| !one.starts_with("created keyspace")).count();
    let counts: Vec<usize> = done.iter().map(|one| migrations(one)).collect();
    assert_eq!(
        counts.iter().sum::<usize>(),
        schema::VERSION as usize,
        "each migration is done once: {done:?}"
    );

    assert!(schema::apply(&settings).await.expect("again").is_empty(), "nothing is left to do");
    let status = schema::status(&settings).await.expect("status");
    assert_eq!((status.version, status.version_wanted), (schema::VERSION, schema::VERSION));
    assert!(status.pending.is_empty());
    assert!(status.warnings[0].contains("1 copies"), "{status:?}");
    // Two `CREATE TABLE` at once would have left tables nobody can write to.
    let store = open(&settings).await;
    store.apply(&changes(0, 1, 1)).await.expect("apply");
    gone(&settings).await;
}

#[tokio::test]
async fn a_schema_of_another_version_is_refused() {
    let settings = fresh("version").await;
    let set = async |text: &str| {
        let text = text.replace("{k}", &settings.keyspace);
        raw(&settings).await.query_unpaged(text, ()).await.expect("set");
    };
    set("INSERT INTO {k}.schema_versions (name, version, what) VALUES ('tandem', 99, 'later')").await;
    for outcome in [
        ScyllaStore::note_log(&settings, LOG, &Calendar::default()).await.map(|_| ()),
        ScyllaStore::open(&settings).await.map(|_| ()),
        schema::apply(&settings).await.map(|_| ()),
    ] {
        let text = refused(outcome);
        assert!(text.contains("version 99") && text.contains("newer"), "{text}");
    }
    assert!(schema::status(&settings).await.expect("status").warnings[0].contains("99"));
    set("TRUNCATE {k}.schema_versions").await;
    let text = refused(ScyllaStore::open(&settings).await.map(|_| ()));
    assert!(text.contains("tandem schema apply"), "{text}");
    schema::apply(&settings).await.expect("what is there does no harm");
    open(&settings).await;
    gone(&settings).await;
}

#[tokio::test]
async fn stores_of_another_log_are_refused() {
    let settings = fresh("identity").await;
    let outcome = ScyllaStore::open(&settings).await.map(|_| ());
    assert!(matches!(&outcome, Err(StoreError::Unavailable(text)) if text.contains("no compute process")));
    let store = open(&settings).await;
    store.check().await.expect("check");
    assert_eq!(ScyllaStore::open(&settings).await.expect("open").identity(), LOG);
    open(&settings).await;

    assert_eq!(store.calendar(), &Calendar::default());
    let elsewhere = Calendar::new("Asia/Kolkata").expect("a zone");
    let text = refused(ScyllaStore::note_log(&settings, LOG, &elsewhere).await.map(|_| ()));
    assert!(text.contains("Asia/Shanghai") && text.contains("Asia/Kolkata"), "{text}");

    let other = LogIdentity { id: LogId([1; 16]), ..LOG };
    let text = refused(ScyllaStore::note_log(&settings, other, &Calendar::default()).await.map(|_| ()));
    assert!(text.contains("give it generation 1"), "{text}");
    assert!(refused(store.apply(&changes(16, 1, 1)).await).contains("has no partition 16"));
    assert!(refused(store.apply(&changes(1, 1 << 40, 1)).await).contains("one generation up"));

    // Two processes with one new log at once.
    let next = LogIdentity { generation: 1, ..other };
    let note = || ScyllaStore::note_log(&settings, next, &elsewhere);
    let (left, right) = tokio::join!(note(), note());
    assert_eq!((left.expect("left").identity(), right.expect("right").identity()), (next, next));
    assert_eq!(ScyllaStore::open(&settings).await.expect("open").calendar(), &elsewhere);
    let text = refused(ScyllaStore::note_log(&settings, LOG, &Calendar::default()).await.map(|_| ()));
    assert!(text.contains("later generation"), "{text}");
    gone(&settings).await;
}

#[tokio::test]
async fn the_tables_are_what_the_description_says() {
    let settings = fresh("described").await;
    let session = raw(&settings).await;
    let text = format!(
        "SELECT table_name, column_name, type, kind, position, clustering_order FROM system_schema.columns WHERE \
         keyspace_name = '{}'",
        settings.keyspace
    );
    type Column = (String, String, String, String, i32, String);
    type Described = (String, String, i32, String);
    let answer = session.query_unpaged(text, ()).await.expect("read").into_rows_result().expect("rows");
    let mut real: BTreeMap<String, BTreeMap<String, Described>> = BTreeMap::new();
    for row in answer.rows::<Column>().expect("columns") {
        let (table, name, cql_type, kind, position, order) = row.expect("column");
        real.entry(table).or_default().insert(name, (cql_type, kind, position, order));
    }
    let mut described = BTreeMap::new();
    for table in describe(&settings) {
        assert!(!table.meaning.is_empty() && !table.kept.is_empty());
        let position = |name| {
            let place = |key: &[&str]| key.iter().position(|one| *one == name).map(|place| place as i32);
            place(&table.partition_key).or(place(&table.clustering_key)).unwrap_or(-1)
        };
        let columns = table.columns.iter().map(|column| {
            let order = match column.is_descending {
                None => "none",
                Some(true) => "desc",
                Some(false) => "asc",
            };
            let (cql_type, kind) = (column.cql_type.to_owned(), column.kind.to_owned());
            (column.name.to_owned(), (cql_type, kind, position(column.name), order.to_owned()))
        });
        described.insert(table.name.to_owned(), columns.collect::<BTreeMap<_, _>>());
    }
    assert_eq!(real, described);
    gone(&settings).await;
}
