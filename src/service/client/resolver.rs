//! The service's name and its addresses.
//!
//! Where the first name server of a machine does not answer, each lookup takes the system 5 s before it asks the next
//! one: longer than anything here may wait for a connection. So a lookup that outlives its caller is not thrown away:
//! it runs on a thread of its own, the next caller joins it, and what it has found is kept. Addresses are used at once
//! while they are young; older ones are looked up anew, and serve all the same when that takes its time. When a
//! connection to them fails they count as old, so that a service that has moved is found.
//!
//! The addresses are handed out in the order of [`order`](super::order).
//!
//! Nothing is looked up that nobody asks for. The system's own lookup cannot be ended; a process that ends does not
//! wait for it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

use super::order::{Blame, Errand, Order, note_first};
use crate::base::lock::lock;

/// Addresses that were found since then are used without a question.
const FRESH_PERIOD: Duration = Duration::from_secs(60);
/// How long a lookup may take before older addresses serve.
const RENEWAL_TIMEOUT: Duration = Duration::from_secs(1);
/// How long somebody waits who has none; connecting ends before that.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(30);
/// A lookup that takes longer is logged.
const SLOW_LOOKUP: Duration = Duration::from_secs(2);

/// What a lookup has found, or why it has found nothing.
pub(super) type Found = Result<Vec<SocketAddr>, String>;
pub(super) type Lookup = dyn Fn(&str) -> Found + Send + Sync;

/// Why there are no addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::service) enum ResolveError {
    /// The lookup has ended without any.
    #[error("the name is not found ({0})")]
    NotFound(String),
    /// It has not ended.
    #[error("no answer of the name server within {} s", .0.as_secs())]
    Silent(Duration),
    /// No thread can look it up.
    #[error("the name cannot be looked up")]
    NoThread,
    /// The daemon ends.
    #[error("the lookup was given up at the daemon's end")]
    Ended,
}

/// Finds the service's addresses. Shared by all connections to it.
pub(in crate::service) struct Resolver {
    /// Only that of the service: there are neither redirects nor proxies.
    names: Arc<Mutex<BTreeMap<String, Known>>>,
    order: Mutex<Order>,
    lookup: Arc<Lookup>,
    worker: Mutex<Option<mpsc::Sender<Job>>>,
    ended: watch::Sender<bool>,
    fresh_period: Duration,
    renewal_timeout: Duration,
}

/// What is known of a name.
#[derive(Debug, Default)]
struct Known {
    /// Of the last lookup that has found any.
    addresses: Vec<SocketAddr>,
    found_at: Option<Instant>,
    under_way: Option<UnderWay>,
}

/// A lookup that is under way.
#[derive(Clone, Debug)]
struct UnderWay {
    begun_at: Instant,
    /// Receives its result.
    end: watch::Receiver<Option<Found>>,
}

/// What somebody who asks has to wait for.
enum Asked {
    /// Nothing.
    Known(Vec<SocketAddr>),
    /// A lookup; the addresses are older ones, if any are known.
    Lookup(UnderWay, Vec<SocketAddr>),
}

/// A name that the thread is to look up.
struct Job {
    name: String,
    end: watch::Sender<Option<Found>>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl Resolver {
    /// One that asks the system.
    pub(in crate::service) fn of_system() -> Arc<Resolver> {
        Resolver::new(Arc::new(ask_system), FRESH_PERIOD, RENEWAL_TIMEOUT)
    }

    /// One that asks by `lookup`; addresses are `fresh` for so long, and waited for so long where older ones are known.
    pub(super) fn new(lookup: Arc<Lookup>, fresh: Duration, renewal: Duration) -> Arc<Resolver> {
        let resolver = Resolver {
            names: Arc::default(),
            order: Mutex::default(),
            lookup,
            worker: Mutex::default(),
            ended: watch::Sender::new(false),
            fresh_period: fresh,
            renewal_timeout: renewal,
        };
        // Later the system may have no thread to give.
        *lock(&resolver.worker) = resolver.start_worker();
        Arc::new(resolver)
    }

    /// The addresses of a name, port 0. Takes at most a second where older ones are known.
    async fn addresses(&self, name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
        let (older, lookup) = match self.ask(name)? {
            Asked::Known(addresses) => return Ok(addresses),
            Asked::Lookup(lookup, older) => (older, lookup),
        };
        if older.is_empty() {
            return self.end_of(lookup, LOOKUP_TIMEOUT).await;
        }
        // Whoever comes while it takes its time has nothing to wait for.
        let left = self
            .renewal_timeout
            .saturating_sub(lookup.begun_at.elapsed());
        let found = self.end_of(lookup, left).await;
        Ok(found.unwrap_or_else(|error| {
            tracing::debug!(name, %error, "Older addresses serve");
            older
        }))
    }

    async fn end_of(
        &self,
        mut lookup: UnderWay,
        timeout: Duration,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let mut ended = self.ended.subscribe();
        tokio::select! {
            biased;
            _ = ended.wait_for(|ended| *ended) => Err(ResolveError::Ended),
            found = lookup.end.wait_for(Option::is_some) => match found.as_deref() {
                Ok(Some(Ok(addresses))) => Ok(addresses.clone()),
                Ok(Some(Err(why))) => Err(ResolveError::NotFound(why.clone())),
                Ok(None) | Err(_) => Err(ResolveError::NoThread),
            },
            () = tokio::time::sleep(timeout) => Err(ResolveError::Silent(timeout)),
        }
    }

    /// Young addresses are enough; else a lookup is under way from now on.
    fn ask(&self, name: &str) -> Result<Asked, ResolveError> {
        let mut names = lock(&self.names);
        let known = names.entry(name.to_owned()).or_default();
        let is_fresh = known
            .found_at
            .is_some_and(|at| at.elapsed() < self.fresh_period);
        if is_fresh {
            return Ok(Asked::Known(known.addresses.clone()));
        }
        let older = known.addresses.clone();
        let under_way = known.under_way.clone();
        match under_way.map_or_else(|| self.begin(name), Ok) {
            Ok(lookup) => {
                known.under_way = Some(lookup.clone());
                Ok(Asked::Lookup(lookup, older))
            }
            Err(_) if !older.is_empty() => Ok(Asked::Known(older)),
            Err(error) => Err(error),
        }
    }

    fn begin(&self, name: &str) -> Result<UnderWay, ResolveError> {
        let (end, ended) = watch::channel(None);
        let mut worker = lock(&self.worker);
        if worker.is_none() {
            *worker = self.start_worker();
        }
        let sender = worker.as_ref().ok_or(ResolveError::NoThread)?;
        let job = Job {
            name: name.to_owned(),
            end,
        };
        sender.send(job).map_err(|_| ResolveError::NoThread)?;
        Ok(UnderWay {
            begun_at: Instant::now(),
            end: ended,
        })
    }

    /// The one thread that looks names up; it ends with the resolver.
    fn start_worker(&self) -> Option<mpsc::Sender<Job>> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let (names, lookup) = (Arc::clone(&self.names), Arc::clone(&self.lookup));
        let work = move || {
            for job in jobs {
                let began = Instant::now();
                let found = lookup(&job.name);
                log_slow_lookup(&job.name, began.elapsed(), &found);
                if let Some(known) = lock(&names).get_mut(&job.name) {
                    known.under_way = None;
                    if let Ok(addresses) = &found {
                        known.addresses.clone_from(addresses);
                        known.found_at = Some(Instant::now());
                    }
                }
                job.end.send_replace(Some(found));
            }
        };
        let thread = std::thread::Builder::new().name("oplati-names".to_owned());
        match thread.spawn(work) {
            Ok(_) => Some(sender),
            Err(error) => {
                tracing::warn!(%error, "No thread can look names up");
                None
            }
        }
    }

    /// No connection came about: what is known counts as old, and the next one who asks looks it up.
    pub(in crate::service) fn doubt(&self) {
        for known in lock(&self.names).values_mut() {
            known.found_at = None;
        }
    }

    /// An address has disappointed: the next connection goes to another, if there is one. Returns whether there is.
    pub(super) fn set_back(&self, address: IpAddr, errand: Errand, blame: Blame) -> bool {
        let names = lock(&self.names);
        let known = names.values().flat_map(|known| &known.addresses);
        let known: Vec<SocketAddr> = known.copied().collect();
        let mut order = lock(&self.order);
        let is_set_back = order.set_back(address, &known, (errand, blame), Instant::now());
        if is_set_back {
            tracing::warn!(%address, "The next connection goes to another address of the service");
        }
        is_set_back
    }

    /// The service has answered at this address.
    pub(super) fn restore(&self, address: IpAddr, errand: Errand) {
        lock(&self.order).restore(address, errand);
    }

    /// Nobody waits for a lookup any more.
    pub(in crate::service) fn end(&self) {
        self.ended.send_replace(true);
    }
}

fn log_slow_lookup(name: &str, took: Duration, found: &Found) {
    if took < SLOW_LOOKUP {
        return;
    }
    let elapsed_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let error = found.as_ref().err();
    tracing::warn!(
        name,
        elapsed_ms,
        error,
        "The name server is slow; see /etc/resolv.conf"
    );
}

/// As the system is set up: resolv.conf, hosts, nsswitch.conf.
fn ask_system(name: &str) -> Found {
    let found: Vec<SocketAddr> = (name, 0)
        .to_socket_addrs()
        .map_err(|error| error.to_string())?
        .collect();
    if found.is_empty() {
        return Err("no address".to_owned());
    }
    Ok(found)
}

/// What the HTTP library asks.
#[derive(Clone, Debug)]
pub(in crate::service) struct SharedResolver(pub Arc<Resolver>);

impl SharedResolver {
    /// The addresses of a name in the order in which they are to be tried.
    async fn ordered(self, name: String) -> Result<std::vec::IntoIter<SocketAddr>, ResolveError> {
        let found = self.0.addresses(&name).await?;
        let found = lock(&self.0.order).of(found, Instant::now());
        note_first(&found);
        Ok(found.into_iter())
    }
}

impl Resolve for SharedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let ordered = self.clone().ordered(name.as_str().to_owned());
        Box::pin(async move {
            let found = ordered.await;
            let found = found.map_err(|error| Box::new(error) as Box<dyn Error + Send + Sync>)?;
            Ok(Box::new(found) as Addrs)
        })
    }
}

/// What the library's connector asks.
impl tower::Service<dns::Name> for SharedResolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = ResolveError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ResolveError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ResolveError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Self::Future {
        Box::pin(self.clone().ordered(name.as_str().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    const NAME: &str = "pay.test";
    /// Nothing that is to happen takes so long.
    const TEST_TIMEOUT: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(50);

    /// A name server that answers when the test lets it.
    struct Server {
        resolver: Arc<Resolver>,
        answers: mpsc::Sender<Found>,
        lookups: Arc<AtomicUsize>,
    }

    fn server(fresh: Duration, renewal: Duration) -> Server {
        let (answers, scripted) = mpsc::channel::<Found>();
        let (scripted, lookups) = (Mutex::new(scripted), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&lookups);
        let lookup = move |name: &str| {
            assert_eq!(name, NAME);
            count.fetch_add(1, Ordering::SeqCst);
            let scripted = lock(&scripted).recv_timeout(TEST_TIMEOUT);
            scripted.unwrap_or_else(|_| Err("the test has ended".to_owned()))
        };
        Server {
            resolver: Resolver::new(Arc::new(lookup), fresh, renewal),
            answers,
            lookups,
        }
    }

    impl Server {
        fn answers(&self, last: u8) {
            self.answers.send(Ok(address(last))).unwrap();
        }

        fn lookups(&self) -> usize {
            self.lookups.load(Ordering::SeqCst)
        }

        async fn asked(&self) -> Result<Vec<SocketAddr>, ResolveError> {
            let asked = tokio::time::timeout(TEST_TIMEOUT, self.resolver.addresses(NAME));
            asked.await.unwrap()
        }

        /// Somebody asks and gives up at once.
        async fn given_up(&self) {
            let asked = tokio::time::timeout(SHORT, self.resolver.addresses(NAME));
            assert!(asked.await.is_err());
        }

        /// Until the answer that was given last is known.
        async fn until_known(&self, last: u8) {
            for _ in 0..1000 {
                if lock(&self.resolver.names)[NAME].addresses == address(last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            panic!("never known");
        }
    }

    fn address(last: u8) -> Vec<SocketAddr> {
        vec![SocketAddr::from(([10, 0, 0, last], 0))]
    }

    #[tokio::test]
    async fn a_lookup_that_outlives_its_caller_is_kept_and_joined() {
        let server = server(TEST_TIMEOUT, SHORT);
        server.given_up().await;
        // The next one joins it.
        server.given_up().await;
        server.answers(1);
        assert_eq!(server.asked().await, Ok(address(1)));
        // What is young needs no lookup.
        assert_eq!(server.asked().await, Ok(address(1)));
        assert_eq!(server.lookups(), 1);
    }

    #[tokio::test]
    async fn older_addresses_serve_when_the_name_server_takes_its_time() {
        let server = server(Duration::ZERO, SHORT);
        server.answers(1);
        assert_eq!(server.asked().await, Ok(address(1)));
        let began = Instant::now();
        assert_eq!(server.asked().await, Ok(address(1)));
        assert!(began.elapsed() >= SHORT);
        // Who comes later does not wait again.
        assert_eq!(server.asked().await, Ok(address(1)));
        assert_eq!(server.lookups(), 2, "one at a time");
        // Behind them they are renewed.
        server.answers(2);
        server.until_known(2).await;
    }

    #[tokio::test]
    async fn a_name_server_that_answers_renews_old_addresses_at_once() {
        let server = server(Duration::ZERO, TEST_TIMEOUT);
        for last in [1, 2] {
            server.answers(last);
            assert_eq!(server.asked().await, Ok(address(last)));
        }
    }

    #[tokio::test]
    async fn a_service_that_has_moved_is_found_after_a_connection_that_failed() {
        let server = server(TEST_TIMEOUT, TEST_TIMEOUT);
        server.answers(1);
        assert_eq!(server.asked().await, Ok(address(1)));
        server.resolver.doubt();
        assert_eq!(server.lookups(), 1, "nobody asks");
        server.answers(2);
        assert_eq!(server.asked().await, Ok(address(2)));
        assert_eq!(server.lookups(), 2);
    }

    #[tokio::test]
    async fn a_name_that_is_not_found_is_an_error_only_where_no_address_is_known() {
        let server = server(Duration::ZERO, TEST_TIMEOUT);
        let unknown = || server.answers.send(Err("unknown".to_owned())).unwrap();
        unknown();
        assert_eq!(
            server.asked().await,
            Err(ResolveError::NotFound("unknown".to_owned()))
        );
        server.answers(1);
        assert_eq!(server.asked().await, Ok(address(1)));
        unknown();
        assert_eq!(server.asked().await, Ok(address(1)));
    }

    #[tokio::test]
    async fn the_end_of_the_daemon_waits_for_no_lookup() {
        let server = server(TEST_TIMEOUT, TEST_TIMEOUT);
        let asked = server.resolver.addresses(NAME);
        let end = async {
            tokio::time::sleep(SHORT).await;
            server.resolver.end();
        };
        let began = Instant::now();
        let (asked, ()) = tokio::join!(asked, end);
        assert_eq!(asked, Err(ResolveError::Ended));
        assert!(began.elapsed() < TEST_TIMEOUT / 2);
        // What is known serves the last requests.
        server.answers(1);
        server.until_known(1).await;
        assert_eq!(server.asked().await, Ok(address(1)));
    }
}
