//! `oplati demo`: the whole thing on a bare machine, with nothing real missing but the money.
//!
//! Two designs were thought of: a page that plays a scripted film of a payment, or the real daemon
//! between a simulated service and a simulated scanner. The second wins: what a newcomer sees is what
//! a till will do, and `--once` is a check of the installed binary from end to end. So nothing here
//! knows how a payment goes; the page and `--once` act as a cashier and a buyer would, through the till
//! API, the scanner's line and the simulator's control API.
//!
//! In the order in which things are set up: `root` (a private folder), `scanner` (a pseudo-terminal),
//! `world` (these two, the simulator and the daemon, started and stopped together), `loopback` and
//! `sse` (how the demo calls them), `buyer` (what a buyer does), and on top of it either `once`, or
//! `feed` and `server` (the page).

mod buyer;
mod feed;
mod once;
mod root;
mod scanner;
mod server;
mod table;
mod world;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::base::exit_code;
use world::World;

/// Where the page is unless `--listen` names another place.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8017);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Loopback address of the page, [`DEFAULT_LISTEN`] if absent; port 0 picks a free one.
    pub listen: Option<SocketAddr>,
    /// Play one sale in each mode on the terminal, without a page.
    pub once: bool,
}

/// Why the demonstration did not take place, or did not end as it should.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The page can make payments, even if only simulated ones.
    #[error("{0} is not a loopback address, such as {DEFAULT_LISTEN}")]
    NotLoopback(SocketAddr),
    /// Somebody else listens there.
    #[error(
        "{0} is taken by another program; choose another port with --listen 127.0.0.1:PORT, 0 picks a free one"
    )]
    Taken(SocketAddr),
    /// The page or the simulator cannot listen.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    /// The private folder, or a file in it, cannot be made.
    #[error("cannot write below {path}")]
    Root {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Its files were taken away while it ran.
    #[error(
        "the demonstration's folder {0} was removed by another program; start it again, or set TMPDIR to a folder that nobody cleans"
    )]
    Removed(PathBuf),
    /// The log cannot be set up.
    #[error("cannot set up the log")]
    Log(#[source] crate::log::LogError),
    /// No virtual scanner.
    #[error("no virtual scanner")]
    Scanner(#[from] scanner::ScannerError),
    /// The daemon did not start.
    #[error("the daemon of the demonstration did not start")]
    Daemon(#[source] crate::daemon::DaemonError),
    /// The daemon or the simulator cannot be talked to.
    #[error("the demonstration lost its daemon or its simulator")]
    Call(#[from] crate::client::http::CallError),
    /// Results cannot be written, or the runtime failed.
    #[error("input or output failed")]
    Io(#[source] std::io::Error),
    /// `--once` met something else than it should.
    #[error("the demonstration went wrong: {0}")]
    NotAsItShould(String),
    /// A person or the system stopped `--once`.
    #[error("stopped")]
    Stopped,
}

impl DemoError {
    /// The process's exit code, see [`crate::base::exit_code`].
    pub fn exit_code(&self) -> u8 {
        match self {
            DemoError::NotLoopback(_) => exit_code::USAGE,
            DemoError::Taken(_) => exit_code::TEMPFAIL,
            DemoError::Listen { source, .. }
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                exit_code::NOPERM
            }
            DemoError::Listen { .. }
            | DemoError::Root { .. }
            | DemoError::Removed(_)
            | DemoError::Scanner(_)
            | DemoError::Io(_) => exit_code::IO,
            DemoError::Daemon(error) => error.exit_code(),
            DemoError::Log(_) | DemoError::Call(_) => exit_code::SOFTWARE,
            DemoError::NotAsItShould(_) => exit_code::NOT_DONE,
            DemoError::Stopped => exit_code::INTERRUPTED,
        }
    }
}

/// Runs the demonstration until Ctrl-C, or once. Whatever it made is gone when this returns.
///
/// Sets up the process's log, so the caller must not have.
///
/// # Errors
/// [`DemoError`]; Ctrl-C of the page is no error, of `--once` it is [`DemoError::Stopped`].
pub fn run(options: Options) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DemoError::Io)?;
    runtime.block_on(demonstrate(options))
}

async fn demonstrate(options: Options) -> Result<(), DemoError> {
    // Before anything is made, so that no signal can come too early to be cleaned up after.
    let mut stop = StopSignals::listen().map_err(DemoError::Io)?;
    // The port first: a taken one is the commonest trouble, and needs no daemon to be found.
    let page = match options.once {
        true => None,
        false => Some(server::bind(options.listen.unwrap_or(DEFAULT_LISTEN)).await?),
    };
    let world = World::start(&std::env::temp_dir()).await?;
    let outcome = tokio::select! {
        outcome = async {
            match page {
                None => once::play(&world).await,
                Some(page) => server::serve(page, &world).await,
            }
        } => outcome,
        removed = world.folder_removed() => Err(removed),
        () = stop.received() => if options.once { Err(DemoError::Stopped) } else { Ok(()) },
    };
    // Whichever part noticed first, this is why.
    let outcome = match (outcome, world.removed()) {
        (Err(_), Some(removed)) => Err(removed),
        (outcome, _) => outcome,
    };
    world.stop().await;
    outcome
}

/// Ctrl-C, `kill`, and the terminal's end.
struct StopSignals([Signal; 3]);

impl StopSignals {
    fn listen() -> std::io::Result<StopSignals> {
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let [interrupt, terminate, hangup] = kinds.map(signal);
        Ok(StopSignals([interrupt?, terminate?, hangup?]))
    }

    async fn received(&mut self) {
        let StopSignals([interrupt, terminate, hangup]) = self;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_distinguish_the_users_mistakes_from_the_worlds_state() {
        assert_eq!(
            DemoError::NotLoopback("8.8.8.8:80".parse().unwrap()).exit_code(),
            exit_code::USAGE
        );
        assert_eq!(
            DemoError::Taken(DEFAULT_LISTEN).exit_code(),
            exit_code::TEMPFAIL
        );
        assert_eq!(
            DemoError::NotAsItShould("x".into()).exit_code(),
            exit_code::NOT_DONE
        );
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        assert_eq!(
            DemoError::Listen {
                address: DEFAULT_LISTEN,
                source: denied
            }
            .exit_code(),
            exit_code::NOPERM
        );
    }
}
