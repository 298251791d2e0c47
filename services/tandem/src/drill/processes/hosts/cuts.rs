//! Which ways a fault cuts.

use std::collections::BTreeSet;

use tandem_chaos::fault::Fault;
use tandem_model::route::Chain;

use super::super::fleet::{Who, of_chain};
use super::network::{Host, Way};

/// The ways that a fault cuts among `all` hosts, of `chain` where it is a chain's; `None` where it
/// cuts none.
pub(super) fn ways(fault: Fault, chain: Option<Chain>, all: &[Host]) -> Option<BTreeSet<Way>> {
    let those = |is: fn(&Host) -> bool| -> Vec<Host> { all.iter().copied().filter(is).collect() };
    let gateways = || those(|host| matches!(host, Host::Process(Who::Gateway(_))));
    let controls = || those(|host| matches!(host, Host::Process(Who::Control(_))));
    let readers = || [gateways(), controls()].concat();
    Some(match (fault, chain) {
        (Fault::LogLost, _) => both(&those(|host| matches!(host, Host::Process(_))), &[Host::Log]),
        (Fault::GatewayCutOff, _) => both(&gateways(), &controls()),
        (Fault::BlackholeIn, Some(chain)) => from(&readers(), &[query(chain)]),
        (Fault::BlackholeOut, Some(chain)) => from(&[query(chain)], &readers()),
        (Fault::Blackhole, Some(chain)) => {
            let own = own(chain);
            let others: Vec<Host> = all.iter().copied().filter(|host| !own.contains(host)).collect();
            both(&own, &others)
        }
        (Fault::LogCut, Some(chain)) => both(&own(chain), &[Host::Log]),
        (Fault::RowsLost, Some(chain)) => both(&own(chain), &[Host::Rows(chain)]),
        (Fault::HotLost, Some(chain)) => both(&own(chain), &[Host::Hot(chain)]),
        // Who only reads still can.
        (Fault::DiskStall, Some(chain)) => both(&[Host::Process(Who::Compute(chain))], &[Host::Rows(chain)]),
        _ => return None,
    })
}

/// All ways between a host and the others, both ways.
pub(super) fn alone(host: Host, all: &[Host]) -> BTreeSet<Way> {
    let others: Vec<Host> = all.iter().copied().filter(|other| *other != host).collect();
    both(&[host], &others)
}

fn query(chain: Chain) -> Host {
    Host::Process(Who::Query(chain))
}

/// The hosts of a chain's processes.
fn own(chain: Chain) -> [Host; 2] {
    of_chain(chain).map(Host::Process)
}

fn from(senders: &[Host], receivers: &[Host]) -> BTreeSet<Way> {
    senders.iter().flat_map(|from| receivers.iter().map(move |to| (*from, *to))).collect()
}

fn both(some: &[Host], others: &[Host]) -> BTreeSet<Way> {
    &from(some, others) | &from(others, some)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: Host = Host::Process(Who::Query(Chain::A));
    const COMPUTE: Host = Host::Process(Who::Compute(Chain::A));
    const OTHER: Host = Host::Process(Who::Query(Chain::B));
    const GATEWAY: Host = Host::Process(Who::Gateway(0));
    const CONTROL: Host = Host::Process(Who::Control(1));
    const ROWS: Host = Host::Rows(Chain::A);
    const ALL: [Host; 9] =
        [QUERY, COMPUTE, OTHER, GATEWAY, CONTROL, Host::Log, ROWS, Host::Hot(Chain::A), Host::Outside];

    #[test]
    fn a_fault_cuts_the_ways_it_names_and_no_other() {
        let cut = |fault| ways(fault, Some(Chain::A), &ALL).expect("it cuts");
        let is = |ways: BTreeSet<Way>, expected: &[Way]| {
            assert_eq!(ways, expected.iter().copied().collect());
        };
        is(cut(Fault::BlackholeIn), &[(GATEWAY, QUERY), (CONTROL, QUERY)]);
        is(cut(Fault::BlackholeOut), &[(QUERY, GATEWAY), (QUERY, CONTROL)]);
        is(cut(Fault::GatewayCutOff), &[(GATEWAY, CONTROL), (CONTROL, GATEWAY)]);
        is(cut(Fault::DiskStall), &[(COMPUTE, ROWS), (ROWS, COMPUTE)]);
        is(
            cut(Fault::LogCut),
            &[(QUERY, Host::Log), (COMPUTE, Host::Log), (Host::Log, QUERY), (Host::Log, COMPUTE)],
        );
        // Two hosts and seven others, both ways; the two of the chain still hear each other.
        let blackhole = cut(Fault::Blackhole);
        assert_eq!(blackhole.len(), 28);
        assert!(!blackhole.contains(&(QUERY, COMPUTE)) && !blackhole.contains(&(OTHER, GATEWAY)));
        let lost = cut(Fault::LogLost);
        assert!(lost.contains(&(OTHER, Host::Log)) && !lost.contains(&(Host::Outside, Host::Log)));
        assert_eq!(alone(CONTROL, &ALL).len(), 16);
        for fault in [Fault::Slow, Fault::Errors, Fault::Crash, Fault::DiskFull] {
            assert_eq!(ways(fault, Some(Chain::A), &ALL), None, "{fault}");
        }
        assert_eq!(ways(Fault::LogCut, None, &ALL), None, "without a chain");
    }
}
