//! Everything that is demonstrated, started and stopped together: the simulated service, the virtual
//! scanner and the real daemon below a private folder.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::DemoError;
use super::buyer::Buyer;
use super::root::TempRoot;
use super::scanner::VirtualScanner;
use crate::client::http::Loopback;
use crate::config::Paths;
use crate::daemon::{self, Daemon};
use crate::log::{self, Stderr};
use crate::sim::{Rules, Simulator};
use crate::texts::newcomer;

/// The till that the simulator knows.
const REG_NUM: &str = "OPL000011111";

/// How often the folder is looked for.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The parts that the page and `--once` act through.
#[derive(Debug)]
pub struct Parts {
    pub till: Loopback,
    /// The person with the phone.
    pub buyer: Buyer,
    /// The scanner in the cashier's hand.
    pub scanner: VirtualScanner,
    pub log: PathBuf,
}

/// The running demonstration. The fields are dropped in this order: nothing writes below the root any
/// more when it is removed.
pub struct World {
    daemon: Option<Daemon>,
    stop_simulator: Option<oneshot::Sender<()>>,
    simulator: Option<tokio::task::JoinHandle<()>>,
    parts: Arc<Parts>,
    root: TempRoot,
}

impl World {
    /// Starts all of it in a new folder below `parent`.
    ///
    /// # Errors
    /// [`DemoError`], with nothing left behind.
    pub async fn start(parent: &Path) -> Result<World, DemoError> {
        let root = TempRoot::create(parent)?;
        let paths = Paths::below(root.path());
        log::init(Stderr::Warnings, Some(paths.log())).map_err(DemoError::Log)?;
        let scanner = VirtualScanner::open()?;
        let (service, stop_simulator, simulator) = start_simulator().await?;
        write_config(&paths.config(), &config_text(service, scanner.path()))?;
        let parts = Parts {
            till: Loopback::over_socket(&paths.socket())?,
            buyer: Buyer::of(Loopback::over_tcp(service)?),
            scanner,
            log: paths.log(),
        };
        let options = daemon::Options {
            root: root.path().to_owned(),
        };
        // Off this thread, which must go on serving the simulator meanwhile. Last, since a daemon that
        // was started must be stopped by `World`.
        let daemon = tokio::task::spawn_blocking(move || daemon::start(&options))
            .await
            .map_err(|error| DemoError::Io(error.into()))?
            .map_err(DemoError::Daemon)?;
        let (daemon, stop_simulator) = (Some(daemon), Some(stop_simulator));
        Ok(World {
            daemon,
            stop_simulator,
            simulator: Some(simulator),
            parts: Arc::new(parts),
            root,
        })
    }

    pub fn parts(&self) -> &Arc<Parts> {
        &self.parts
    }

    /// Whether a vital part of the daemon died.
    pub fn failed(&self) -> bool {
        let daemon = self.daemon.as_ref();
        daemon.is_none_or(|daemon| daemon.failure().is_some())
    }

    /// Why nothing works any more, if somebody removed the demonstration's folder, a cleaner of
    /// temporary files for example: no single part could report it.
    pub fn removed(&self) -> Option<DemoError> {
        let root = self.root.path();
        // Of the folder's files, nothing makes this one again.
        let is_removed = !Paths::below(root).config().exists();
        is_removed.then(|| DemoError::Removed(root.to_owned()))
    }

    /// Waits until that is so.
    pub async fn folder_removed(&self) -> DemoError {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            if let Some(removed) = self.removed() {
                return removed;
            }
        }
    }

    /// Stops the daemon first, while the service still answers what is under way.
    pub async fn stop(mut self) {
        if let Some(daemon) = self.daemon.take() {
            // A panic in there is reported by the panic's own message.
            let _ = tokio::task::spawn_blocking(|| daemon.stop()).await;
        }
        drop(self.stop_simulator.take());
        if let Some(simulator) = self.simulator.take() {
            let _ = simulator.await;
        }
    }
}

/// A panic leaves by this way; nothing may write below the root after it.
impl Drop for World {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.stop();
        }
    }
}

fn write_config(path: &Path, text: &str) -> Result<(), DemoError> {
    let failed = |source| DemoError::Root {
        path: path.to_owned(),
        source,
    };
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}

/// Shorter patience than a shop's (`timeout`, `settle`), so that whoever breaks the connection on the
/// page sees the end of it while still looking.
fn config_text(service: SocketAddr, scanner: &Path) -> String {
    let scanner = scanner.display();
    format!(
        "[Main]\nurl = http://{service}\nregNum = {REG_NUM}\ntimeout = 5\nsettle = 5\n\n\
         [Scanner]\ndevice = serial:{scanner}@9600\n\n\
         [Display]\ndevice = png:display.png@800x480, web\nshopName = {}\n",
        newcomer::SHOP
    )
}

async fn start_simulator()
-> Result<(SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>), DemoError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let failed = |source| DemoError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let simulator = Simulator::new(None, Rules::default());
    let serving = crate::sim::serve(listener, simulator, async {
        // Dropping the sender stops it, too.
        let _ = stopped.await;
    });
    let task = tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "Simulated service ended");
        }
    });
    Ok((address, stop, task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_daemon_understands_every_setting_of_the_demo() {
        let root = tempfile::tempdir().unwrap();
        let text = config_text("127.0.0.1:4711".parse().unwrap(), Path::new("/dev/pts/7"));
        write_config(&Paths::below(root.path()).config(), &text).unwrap();
        let loaded = crate::config::load(root.path()).unwrap();
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
        assert_eq!(loaded.config.main.reg_num.as_deref(), Some(REG_NUM));
        assert_eq!(
            loaded.config.display.shop_name.as_deref(),
            Some("Магазин «Ромашка»")
        );
        assert_eq!(loaded.config.scanner.devices.len(), 1);
    }

    #[test]
    fn a_file_in_the_folders_place_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("linuxcash"), "").unwrap();
        let error = write_config(&Paths::below(root.path()).config(), "").unwrap_err();
        assert!(matches!(error, DemoError::Root { .. }));
    }
}
