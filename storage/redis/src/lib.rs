//! The hot store on Redis 7.0 or later: one server, a master behind sentinels, or a cluster.
//!
//! # Keys
//!
//! All keys of a log partition share a hash tag, so a cluster keeps them on one node and a call
//! may touch several of them. `tandem` is [`Settings::key_prefix`].
//!
//! | key | type | holds | expires |
//! |---|---|---|---|
//! | `{tandem:<chain>:<partition>}:state` | hash | `log`, `generation`: of which log the figures are; `incarnation`: who may write; `next`, `clock`: progress; `until`, `done`: the change under way | never |
//! | `{tandem:<chain>:<partition>}:s:<session id>` | hash | `i`: the incarnation it was written in; `n`, `c`: the cut it reflects; `h`: the session's own row; and per row of totals a field (breakdown as one byte, key) with the figures | [`Settings::session_expiry_s`] after its last change |
//! | `{tandem:<chain>:<partition>}:p:<random>` | hash | a large session on its way in | 60 s |
//!
//! | `tandem:limit:<hash>` | string | until when what was granted of a shared quota is paid for, in microseconds | then |
//! | `{tandem:limits}:gateways` | sorted set | which gateways share quotas, and when they were last heard | 10 s |
//!
//! Numbers are decimal text; rows are encoded by [`tandem_storage::codec`]. A session whose `i` is
//! not the state's `incarnation` is absent. There are as many state keys as partitions, and as
//! many session keys as sessions changed within the expiry: nothing else grows.
//!
//! # How it is whole, or absent
//!
//! Everything is written by functions inside the server (`functions.lua`): looking at the state
//! and writing are one step, so an older or second writer changes nothing. A reader needs none of
//! them, and no right to write: it asks for the state, the session and the state again in one
//! round trip, and takes what lies between only where both states are of one incarnation and the
//! second is not behind the first. (A function that reads would be one step, too, but costs the
//! server three to four times as much: every field becomes a value of Lua first.)
//!
//! **Emptied.** The state is gone: readers find nothing, the writer is told [`Lost`] and begins
//! anew. Functions that are gone are loaded again by the call that misses them.
//!
//! **A failover that loses writes.** A replica holds a prefix of its master's writes, so what it
//! has is what the master had some time ago, all keys of a partition alike. To readers that is an
//! older cut, and said to be one. The writer names with each call what it builds on (`base`), and
//! the new master does not stand there unless nothing was lost. A change takes several calls, so
//! they are numbered, and the server takes each only after the one before it (`until`, `done`):
//! where the failover came into the middle of a change and took some of its calls, the next one
//! finds the gap. Loading an old dump is the same case.
//!
//! **Evicted.** A session that is gone is absent, and the next change reports it. The state has no
//! expiry, so `volatile-lru` never takes it; were it taken, that is a loss as above.
//!
//! **Held up.** A call that was given up may still arrive, much later, over a connection that is
//! long forgotten. Changes are guarded by base and number. A session that is put carries the
//! base, too: brought in after a change that it does not contain, it would look whole.
//!
//! # Memory
//!
//! Set `maxmemory` (70 % of the machine's, if nothing else runs there) and `maxmemory-policy
//! volatile-lru`. Set `hash-max-listpack-value 1024`: the session's own row and that of the room
//! are longer than the 64 bytes Redis comes with, and one longer value makes a hash of up to 512
//! fields a table, which takes two to three times as much. Measured on 7.0.15 with rows as a busy
//! session has them, key and all overhead included:
//!
//! | rows | bytes as Redis comes | bytes with listpacks | of these, figures |
//! |---|---|---|---|
//! | 30 | 4,700 | 2,700 | 1,600 |
//! | 100 | 10,300 | 6,400 | 3,400 |
//! | 300 | 31,700 | 14,500 | 8,500 |
//! | 1,000 | 90,000 | 90,000 | 26,300 |
//! | 5,000 | 500,000 | 500,000 | 128,200 |
//!
//! `hash-max-listpack-entries` (512 as Redis comes) trades memory for speed: with 128, changing 30
//! rows of a session of 300 takes the server about half the time, and the session twice the memory.
//!
//! # Time
//!
//! Server, driver and this crate (as built for tests) on the same two cores, others at work beside
//! them; `redis-benchmark` in the same run: GET 47,000/s with 64 clients, 535,000/s pipelined.
//! Changes: 88,000 sessions/s with 5 rows each, 25,000 with 30 (750,000 rows/s). Reads of 30 rows:
//! p50 0.14 ms alone, 30,000/s with 64 at once; of 300 rows 0.31 ms and 5,100/s; of 1,000 rows
//! 1.1 ms and 1,700/s; of 5,000 rows 6 ms. The server spends about 5 µs on 30 rows, 100 on 1,000 and 490 on 5,000; most of
//! the rest is the driver, which takes 0.2 µs (optimised) for each of the two strings of a row. So
//! large sessions are paid for by query nodes, of which there can be more, and not by the server.
//!
//! # Rights
//!
//! For shared quotas a user needs `~tandem:limit:* ~{tandem:limits}:* +fcall +function|load +time +get +set +zadd
//! +zcard +zremrangebyscore +pexpire +info`.
//!
//! A writer's user needs `~{tandem:* +hmget +hgetall +fcall +function|load +info +hset +hlen
//! +expire +unlink +rename`, a reader's `~{tandem:* +hmget +hgetall +info`; without `info` the
//! version and the memory limits are not checked. Behind sentinels add `+role`.
//!
//! # What a server does not do for us
//!
//! Nothing here asks for durability: run it without AOF and dumps, or with them, it makes no
//! difference but for how much is there after a restart.
//!
//! [`Lost`]: tandem_storage::Applied::Lost

mod change;
mod connect;
mod failure;
mod fields;
mod functions;
mod hot;
mod keys;
mod link;
mod quota;
mod settings;

pub use hot::{Access, Hot};
pub use quota::Quota;
pub use settings::{Mode, Settings};
