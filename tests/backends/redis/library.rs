//! The functions by themselves, called as a server would see them arrive: late, twice, with one
//! missing.

use redis::Value;

use super::*;

const STATE: &str = "{t:a:0}:state";
const SESSION: &str = "{t:a:0}:s:x";
/// Beyond what a Lua number tells apart, and at the end of what there is.
const HIGH: u64 = u64::MAX - 10;

struct Library {
    address: String,
    prefix: String,
}

impl Library {
    async fn load(address: &str) -> Self {
        open(single(address)).await;
        let list = format!("{:?}", ask(address, &["FUNCTION", "LIST"]).unwrap());
        let start = list.find("tandem_1_").unwrap();
        let prefix = list[start..].chars().take_while(|char| char.is_ascii_alphanumeric() || *char == '_');
        Self { address: address.to_owned(), prefix: prefix.collect() }
    }

    fn call(&self, function: &str, keys: &[&str], arguments: &[&str]) -> Value {
        let (function, count) = (format!("{}_{function}", self.prefix), keys.len().to_string());
        let call: Vec<&str> =
            ["FCALL", &function, &count].into_iter().chain(keys.iter().chain(arguments).copied()).collect();
        ask(&self.address, &call).unwrap()
    }

    fn begin(&self, incarnation: &str, next: u64) -> Value {
        self.call("begin", &[STATE], &["log", "0", incarnation, &next.to_string(), "1"])
    }

    fn apply(&self, incarnation: &str, base: u64, next: u64, number: u64) -> Value {
        let (base, next, number) = (base.to_string(), next.to_string(), number.to_string());
        let value = format!("at {next}");
        let arguments = [incarnation, &base, &next, "1", &number, "100", "2", "\u{1}k", &value];
        self.call("apply", &[STATE, SESSION], &arguments)
    }

    fn advance(&self, incarnation: &str, base: u64, next: u64, count: u64) -> Value {
        let (base, next, count) = (base.to_string(), next.to_string(), count.to_string());
        self.call("advance", &[STATE], &[incarnation, &base, &next, "1", &count])
    }

    fn put(&self, incarnation: &str, base: Option<u64>, next: u64) -> Value {
        let base = base.map(|base| base.to_string()).unwrap_or_default();
        let next = next.to_string();
        let arguments = [incarnation, &base, &next, "1", "100", "0", "h", "header", "\u{1}k", "put"];
        self.call("put", &[STATE, SESSION], &arguments)
    }

    fn field(&self, key: &str, field: &str) -> String {
        match ask(&self.address, &["HGET", key, field]).unwrap() {
            Value::BulkString(bytes) => String::from_utf8(bytes).unwrap(),
            Value::Nil => String::new(),
            other => panic!("{other:?}"),
        }
    }
}

fn lost() -> Value {
    Value::SimpleString("LOST".to_owned())
}

#[tokio::test]
async fn a_change_with_a_call_missing_is_never_finished() {
    let (_services, address) = one_server();
    let library = Library::load(&address).await;
    assert_eq!(library.begin("7", HIGH), Value::Int(1));
    assert_eq!(library.put("7", Some(HIGH), HIGH), Value::Int(1));
    // The first call got lost with the master that had taken it.
    assert_eq!(library.apply("7", HIGH, HIGH + 1, 2), lost());
    assert_eq!(library.apply("7", HIGH, HIGH + 1, 1), Value::Array(vec![]));
    assert_eq!(library.field(SESSION, "\u{1}k"), format!("at {}", HIGH + 1));
    assert_eq!(library.apply("7", HIGH, HIGH + 1, 3), lost());
    assert_eq!(library.advance("7", HIGH, HIGH + 1, 3), lost());
    assert_eq!(library.advance("7", HIGH, HIGH + 1, 2), lost());
    assert_eq!(library.field(STATE, "next"), HIGH.to_string());
    // In order, and each of them twice, it goes on.
    for number in [1, 1, 2, 1, 2, 3] {
        assert_eq!(library.apply("7", HIGH, HIGH + 1, number), Value::Array(vec![]), "call {number}");
    }
    assert_eq!(library.advance("7", HIGH, HIGH + 1, 3), Value::Int(1));
    assert_eq!(library.advance("7", HIGH, HIGH + 1, 3), Value::Int(1));
    assert_eq!(library.field(STATE, "next"), (HIGH + 1).to_string());
    // Late ones change nothing, whatever they hold.
    assert_eq!(library.apply("7", HIGH, HIGH + 1, 1), Value::Array(vec![]));
    assert_eq!(library.apply("7", HIGH - 1, HIGH, 1), lost());
    assert_eq!(library.advance("7", HIGH - 1, HIGH, 0), lost());
    assert_eq!(library.advance("7", HIGH + 1, HIGH, 0), lost(), "progress went back");
    assert_eq!(library.field(SESSION, "n"), (HIGH + 1).to_string());
    // A change that nobody finished gives way to a larger one from the same base.
    assert_eq!(library.apply("7", HIGH + 1, HIGH + 2, 1), Value::Array(vec![]));
    assert_eq!(library.apply("7", HIGH + 1, HIGH + 3, 2), lost());
    assert_eq!(library.apply("7", HIGH + 1, HIGH + 3, 1), Value::Array(vec![]));
    assert_eq!(library.advance("7", HIGH + 1, HIGH + 3, 1), Value::Int(1));
    assert_eq!(library.field(SESSION, "\u{1}k"), format!("at {}", HIGH + 3));
}

#[tokio::test]
async fn a_put_that_was_held_up_brings_nothing_back() {
    let (_services, address) = one_server();
    let library = Library::load(&address).await;
    assert_eq!(library.begin("7", 9), Value::Int(1));
    assert_eq!(library.put("7", Some(9), 9), Value::Int(1));
    // The session goes, and changes while it is away.
    ask(&address, &["DEL", SESSION]).unwrap();
    assert_eq!(library.apply("7", 9, 10, 1), Value::Array(vec![Value::Int(0)]));
    assert_eq!(library.put("7", Some(9), 9), Value::Int(0), "in the middle of the change");
    assert_eq!(library.advance("7", 9, 10, 1), Value::Int(1));
    assert_eq!(library.put("7", Some(9), 9), Value::Int(0), "after it");
    assert_eq!(library.put("7", Some(10), 10), Value::Int(1));
    assert_eq!(library.put("7", Some(10), 10), Value::Int(0), "twice");
    assert_eq!(library.put("7", Some(10), 11), Value::Int(1), "the row store is ahead");
    assert_eq!(library.put("8", None, 12), Value::Int(0), "another incarnation");
    assert_eq!(library.field(SESSION, "n"), "11");
}

#[tokio::test]
async fn numbers_are_compared_to_the_last_digit() {
    let (_services, address) = one_server();
    let library = Library::load(&address).await;
    let rising = [
        0,
        9,
        10,
        (1 << 53) - 1,
        1 << 53,
        (1 << 53) + 1,
        9_999_999_999_999_999_999,
        10_000_000_000_000_000_000,
        10_000_000_000_000_000_001,
        u64::MAX - 1,
        u64::MAX,
    ];
    for pair in rising.windows(2) {
        ask(&address, &["FLUSHDB"]).unwrap();
        assert_eq!(library.begin("1", pair[1]), Value::Int(1));
        assert_eq!(library.begin("2", pair[0]), Value::Int(0), "{pair:?}");
        assert_eq!(library.begin("3", pair[1]), Value::Int(1), "{pair:?}");
        assert_eq!(library.put("3", None, pair[0]), Value::Int(1), "{pair:?}");
        assert_eq!(library.put("3", None, pair[0]), Value::Int(0), "{pair:?}");
        assert_eq!(library.put("3", None, pair[1]), Value::Int(1), "{pair:?}");
        assert_eq!(library.put("3", None, pair[0]), Value::Int(0), "{pair:?}");
    }
}

#[tokio::test]
async fn a_session_in_parts_is_put_whole_or_not_at_all() {
    let (_services, address) = one_server();
    let library = Library::load(&address).await;
    let staging = "{t:a:0}:p:1";
    let put = |count: &str| {
        let arguments = ["7", "", "12", "1", "100", count, "h", "header"];
        library.call("put", &[STATE, SESSION, staging], &arguments)
    };
    let stage = |field: &str| library.call("stage", &[staging], &["60", field, "v"]);
    assert_eq!(library.begin("7", 9), Value::Int(1));
    assert_eq!(library.put("7", None, 9), Value::Int(1));
    // One part was dropped for want of memory, or never came.
    stage("\u{1}a");
    assert_eq!(put("2"), Value::Int(0));
    assert_eq!(library.field(SESSION, "n"), "9");
    assert_eq!(ask(&address, &["EXISTS", staging]).unwrap(), Value::Int(0), "what is no use was left");
    stage("\u{1}a");
    stage("\u{1}b");
    assert_eq!(put("2"), Value::Int(1));
    assert_eq!(
        (library.field(SESSION, "n"), library.field(SESSION, "\u{1}b")),
        ("12".to_owned(), "v".to_owned())
    );
    assert_eq!(library.field(SESSION, "\u{1}k"), "", "of the one before");
    assert_eq!(ask(&address, &["EXISTS", staging]).unwrap(), Value::Int(0));
    let Value::Int(left_s) = ask(&address, &["TTL", SESSION]).unwrap() else { panic!("no number") };
    assert!((1..=100).contains(&left_s), "{left_s}");
}
