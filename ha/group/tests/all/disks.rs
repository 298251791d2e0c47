//! Both disks do the same, and damage is named.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use tandem_group::{Disk, DiskError, MemberId, MemoryDisk, RedbDisk, Stored, Write};
use tandem_model::route::Chain;

use crate::cluster::Cluster;
use crate::decisions::{drain, undrain};

/// A file that members of one test open one after the other.
#[derive(Clone)]
struct Shared(Rc<RefCell<RedbDisk>>);

impl Shared {
    fn open(file: &Path) -> Self {
        Self(Rc::new(RefCell::new(RedbDisk::open(file).unwrap())))
    }
}

impl Disk for Shared {
    fn load(&mut self) -> Result<Stored, DiskError> {
        self.0.borrow_mut().load()
    }

    fn write(&mut self, write: &Write) -> Result<(), DiskError> {
        self.0.borrow_mut().write(write)
    }
}

fn writes() -> Vec<Write> {
    let entries = |from: u64, to: u64| (from..to).map(|index| (index, vec![index as u8; 3])).collect();
    vec![
        Write { state: Some(vec![1]), hard: Some(vec![]), ..Write::default() },
        Write { entries: entries(2, 9), hard: Some(vec![7]), ..Write::default() },
        Write { remove_from: Some(5), entries: entries(5, 7), ..Write::default() },
        Write { remove_below: Some(4), state: Some(vec![2, 2]), ..Write::default() },
        Write { remove_below: Some(u64::MAX), state: Some(vec![3]), ..Write::default() },
        Write { entries: entries(20, 22), ..Write::default() },
    ]
}

#[test]
fn both_disks_hold_the_same_after_every_write_and_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("control.redb");
    let mut memory = MemoryDisk::default();
    assert_eq!(RedbDisk::open(&file).unwrap().load().unwrap(), Stored::default());
    for write in writes() {
        memory.write(&write).unwrap();
        let mut disk = RedbDisk::open(&file).unwrap();
        disk.write(&write).unwrap();
        assert_eq!(disk.load().unwrap(), memory.load().unwrap());
        drop(disk);
        assert_eq!(RedbDisk::open(&file).unwrap().load().unwrap(), memory.load().unwrap());
    }
    assert_eq!(memory.load().unwrap().entries.len(), 2);
}

#[test]
fn a_group_on_files_keeps_what_it_decided() {
    let folder = tempfile::tempdir().unwrap();
    let file = |id: MemberId| folder.path().join(format!("{id}.redb"));
    let mut cluster = Cluster::new(3, |id| Shared::open(&file(id)));
    let leader = cluster.leader();
    for _ in 0..15 {
        assert!(cluster.ask(leader, drain(Chain::B)).is_ok());
        assert!(cluster.ask(leader, undrain(Chain::B)).is_ok());
    }
    assert!(cluster.ask(leader, drain(Chain::B)).is_ok());
    drop(cluster);
    let mut cluster = Cluster::new(3, |id| Shared::open(&file(id)));
    cluster.leader();
    cluster.assert_alike();
    assert!(cluster.member(MemberId(1)).decided().drained().b);
    assert_eq!(cluster.member(MemberId(1)).decided().history().len(), 31);
}

#[test]
fn two_can_t_have_one_file_and_damage_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("control.redb");
    let mut disk = RedbDisk::open(&file).unwrap();
    assert!(matches!(RedbDisk::open(&file), Err(DiskError::Held { .. })));
    let marker = [0x5a_u8; 64];
    disk.write(&Write { hard: Some(vec![]), state: Some(marker.to_vec()), ..Write::default() }).unwrap();
    drop(disk);
    let mut bytes = std::fs::read(&file).unwrap();
    let places: Vec<usize> = bytes
        .windows(marker.len())
        .enumerate()
        .filter(|(_, found)| *found == marker)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        bytes[at] ^= 1;
    }
    std::fs::write(&file, &bytes).unwrap();
    // redb itself may notice, or else our own checksum does.
    let refused = RedbDisk::open(&file).and_then(|mut disk| disk.load());
    assert!(matches!(refused, Err(DiskError::Damaged { .. } | DiskError::Failed { .. })), "{refused:?}");
}
