//! How many streams are open, and how many may be.
//!
//! A stream of several sessions counts as so many: each may need a feed of its own.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// All that are open.
pub(super) struct Open {
    max: AtomicUsize,
    of_one_max: AtomicUsize,
    all: AtomicUsize,
    by_tenant: Mutex<HashMap<Arc<str>, usize>>,
}

/// Leave for one stream. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Leave {
    open: Arc<Open>,
    tenant: Arc<str>,
}

/// Why one more may not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// This tenant has as many as it may.
    Tenant,
    /// This gateway has.
    Gateway,
}

impl std::fmt::Debug for Open {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Open").field("all", &self.all).finish_non_exhaustive()
    }
}

impl Open {
    /// At most `max` at one time, `of_one_max` of them of one tenant.
    pub(super) fn new(max: usize, of_one_max: usize) -> Arc<Self> {
        Arc::new(Self {
            max: AtomicUsize::new(max),
            of_one_max: AtomicUsize::new(of_one_max),
            all: AtomicUsize::new(0),
            by_tenant: Mutex::default(),
        })
    }

    /// At most so many from now on; those that are open stay.
    pub(super) fn set_max(&self, max: usize, of_one_max: usize) {
        self.max.store(max, Ordering::Relaxed);
        self.of_one_max.store(of_one_max, Ordering::Relaxed);
    }

    /// How many are open.
    pub(super) fn count(&self) -> usize {
        self.all.load(Ordering::Relaxed)
    }

    /// Lets one more in.
    pub(super) fn enter(self: &Arc<Self>, tenant: &Arc<str>) -> Result<Leave, Full> {
        let mut by_tenant = self.by_tenant.lock();
        let of_one = by_tenant.get(tenant).copied().unwrap_or(0);
        if of_one >= self.of_one_max.load(Ordering::Relaxed) {
            return Err(Full::Tenant);
        }
        if self.count() >= self.max.load(Ordering::Relaxed) {
            return Err(Full::Gateway);
        }
        by_tenant.insert(Arc::clone(tenant), of_one + 1);
        self.all.fetch_add(1, Ordering::Relaxed);
        Ok(Leave { open: Arc::clone(self), tenant: Arc::clone(tenant) })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut by_tenant = self.open.by_tenant.lock();
        self.open.all.fetch_sub(1, Ordering::Relaxed);
        if let Some(of_one) = by_tenant.get_mut(&self.tenant) {
            *of_one -= 1;
            if *of_one == 0 {
                by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_and_all_together_have_so_many_and_get_them_back() {
        let open = Open::new(3, 2);
        let (one, other): (Arc<str>, Arc<str>) = ("one".into(), "other".into());
        let held = [open.enter(&one).unwrap(), open.enter(&one).unwrap()];
        assert_eq!(open.enter(&one).unwrap_err(), Full::Tenant);
        let last = open.enter(&other).unwrap();
        assert_eq!(open.enter(&other).unwrap_err(), Full::Gateway);
        assert_eq!(open.count(), 3);
        drop(last);
        drop(held);
        assert_eq!((open.count(), open.by_tenant.lock().len()), (0, 0));
        let _held = open.enter(&one).unwrap();
        open.set_max(1, 1);
        assert_eq!(open.enter(&other).unwrap_err(), Full::Gateway);
        assert_eq!(open.enter(&one).unwrap_err(), Full::Tenant);
    }
}
