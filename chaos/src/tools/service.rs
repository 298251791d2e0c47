//! A tower service that stands in front of another and disturbs it.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tower::{BoxError, Service, ServiceExt};

/// What happens to questions and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceFault {
    /// Nothing.
    #[default]
    None,
    /// Each question fails at once: nobody listens.
    Refuse,
    /// Each question waits until the fault is over, and then goes on.
    Hold,
    /// Questions vanish: no answer ever, and nothing is done.
    VanishIn,
    /// Answers vanish: the work is done, no answer ever.
    VanishOut,
    /// Answers take so many times as long, and so much longer at least.
    Slow {
        /// How many times as long.
        factor: u32,
        /// At least so much longer.
        least: Duration,
    },
    /// So many answers of a hundred fail.
    Fail {
        /// Per cent.
        percent: u32,
    },
}

/// The switch of a disturbed service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Disturb(Arc<State>);

#[derive(Debug)]
struct State {
    fault: watch::Sender<ServiceFault>,
    /// Questions that were disturbed since the start.
    struck: AtomicU64,
    /// Questions that came while some fail; decides which.
    asked: AtomicU64,
    seed: u64,
}

impl Disturb {
    /// Nothing is disturbed yet. `seed` decides which answers fail.
    pub fn new(seed: u64) -> Self {
        let (struck, asked) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(State { fault: watch::Sender::default(), struck, asked, seed }))
    }

    /// `inner` with this switch in front of it.
    pub fn layer<S>(&self, inner: S) -> Disturbed<S> {
        Disturbed { inner, disturb: self.clone() }
    }

    /// Puts a fault in force, until the guard ends.
    pub fn begin(&self, fault: ServiceFault) -> ServiceGuard {
        self.0.fault.send_replace(fault);
        ServiceGuard { disturb: self.clone(), struck_before: self.struck(), struck: None }
    }

    fn struck(&self) -> u64 {
        self.0.struck.load(Ordering::Relaxed)
    }

    fn strike(&self) {
        self.0.struck.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this question is one of those that fail.
    fn fails(&self, percent: u32) -> bool {
        let number = self.0.asked.fetch_add(1, Ordering::Relaxed);
        mixed(self.0.seed.wrapping_add(number)) % 100 < u64::from(percent)
    }
}

/// SplitMix64's finishing steps (Sebastiano Vigna): neighbours become unlike.
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// A fault in force.
#[derive(Debug)]
pub struct ServiceGuard {
    disturb: Disturb,
    struck_before: u64,
    /// What was struck until it ended.
    struck: Option<u64>,
}

impl ServiceGuard {
    /// Ends the fault.
    pub fn heal(&mut self) {
        if self.struck.is_none() {
            self.disturb.0.fault.send_replace(ServiceFault::None);
            self.struck = Some(self.struck());
        }
    }

    /// How many questions it has disturbed.
    pub fn struck(&self) -> u64 {
        self.struck.unwrap_or_else(|| self.disturb.struck() - self.struck_before)
    }
}

impl Drop for ServiceGuard {
    fn drop(&mut self) {
        self.heal();
    }
}

/// A service that may be disturbed.
#[derive(Clone, Debug)]
pub struct Disturbed<S> {
    inner: S,
    disturb: Disturb,
}

impl<S, R> Service<R> for Disturbed<S>
where
    S: Service<R> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    S::Response: Send,
    R: Send + 'static,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        // The inner one is asked when the question is.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, question: R) -> Self::Future {
        let (inner, disturb) = (self.inner.clone(), self.disturb.clone());
        Box::pin(async move {
            let fault = *disturb.0.fault.borrow();
            let answering = async || inner.oneshot(question).await.map_err(Into::into);
            match fault {
                ServiceFault::None => return answering().await,
                ServiceFault::Fail { percent } if !disturb.fails(percent) => return answering().await,
                _ => disturb.strike(),
            }
            match fault {
                ServiceFault::None => answering().await,
                ServiceFault::Refuse | ServiceFault::Fail { .. } => Err("disturbed by a drill".into()),
                ServiceFault::Hold => {
                    let mut over = disturb.0.fault.subscribe();
                    // An error means that nobody is left to end it; then it is over, too.
                    let _ = over.wait_for(|fault| *fault != ServiceFault::Hold).await;
                    answering().await
                }
                ServiceFault::VanishIn => never().await,
                ServiceFault::VanishOut => {
                    drop(answering().await);
                    never().await
                }
                ServiceFault::Slow { factor, least } => {
                    let began = Instant::now();
                    let answer = answering().await;
                    let longer = began.elapsed() * factor.saturating_sub(1);
                    tokio::time::sleep(longer.max(least)).await;
                    answer
                }
            }
        })
    }
}

/// For what vanished; whoever waits gives up at some time and drops this.
async fn never<T>() -> T {
    match pending::<Infallible>().await {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use tower::service_fn;
    use tower::util::BoxCloneSyncService;

    type Asked = Arc<AtomicU64>;

    fn service() -> (Disturb, BoxCloneSyncService<u64, u64, BoxError>, Asked) {
        let asked = Asked::default();
        let disturb = Disturb::new(7);
        let counted = Arc::clone(&asked);
        let inner = service_fn(move |number: u64| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                Ok::<_, Infallible>(number)
            }
        });
        let layered = BoxCloneSyncService::new(disturb.layer(inner));
        (disturb, layered, asked)
    }

    const PATIENCE: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn each_fault_does_what_it_says_and_ends_with_its_guard() {
        let (disturb, service, asked) = service();
        let ask = async |number| service.clone().oneshot(number).await;

        let guard = disturb.begin(ServiceFault::Refuse);
        assert!(ask(1).await.is_err());
        assert_eq!((guard.struck(), asked.load(Ordering::Relaxed)), (1, 0));
        drop(guard);
        assert_eq!(ask(2).await.ok(), Some(2));

        for (fault, asked_then) in [(ServiceFault::VanishIn, 1), (ServiceFault::VanishOut, 2)] {
            let guard = disturb.begin(fault);
            assert!(tokio::time::timeout(PATIENCE, ask(3)).await.is_err(), "{fault:?}");
            assert_eq!(asked.load(Ordering::Relaxed), asked_then, "{fault:?}");
            drop(guard);
        }

        let slow = ServiceFault::Slow { factor: 10, least: Duration::from_millis(20) };
        let mut guard = disturb.begin(slow);
        let began = Instant::now();
        assert_eq!(ask(4).await.ok(), Some(4));
        assert_eq!(began.elapsed(), Duration::from_millis(50));
        guard.heal();
        let began = Instant::now();
        assert_eq!(ask(5).await.ok(), Some(5));
        assert_eq!((began.elapsed(), guard.struck()), (Duration::from_millis(5), 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_held_goes_on_when_the_fault_is_over() {
        let (disturb, service, _) = service();
        let guard = disturb.begin(ServiceFault::Hold);
        let held = tokio::spawn(service.oneshot(9));
        tokio::time::sleep(PATIENCE).await;
        assert!(!held.is_finished());
        drop(guard);
        let answer = tokio::time::timeout(PATIENCE, held).await.expect("it goes on");
        assert_eq!(answer.ok().and_then(Result::ok), Some(9));
    }

    #[tokio::test(start_paused = true)]
    async fn about_as_many_fail_as_should() {
        let (disturb, service, _) = service();
        let guard = disturb.begin(ServiceFault::Fail { percent: 20 });
        let mut failed = 0;
        for number in 0..1_000 {
            failed += u64::from(service.clone().oneshot(number).await.is_err());
        }
        assert_eq!(guard.struck(), failed);
        assert!((150..250).contains(&failed), "{failed}");
    }
}
