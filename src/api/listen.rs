//! Sockets and the token file, made with the right owners.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::base::folders;
use crate::base::random;
use crate::base::regular_file;
use crate::base::secret::Secret;
use crate::base::system::{TILL_GROUP, group_id, port_holder, process_name};
use crate::base::unix_socket;

/// No right token file is larger.
const MAX_TOKEN_FILE: usize = 4096;
/// Bytes of the path of a socket: as many as the kernel takes, with the NUL behind them.
pub(crate) const MAX_SOCKET_PATH_BYTES: usize = 107;

/// Of the folder of socket and key, as the package makes it: who may write there may put his own in their place.
const FOLDER_MODE: u32 = 0o755;

/// Who holds a place, where the system does not show it.
const ANOTHER_PROCESS: &str = "another process";

/// Why nobody can be served.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process serves there.
    #[error("{place} is taken by {holder}")]
    Taken {
        /// Socket or address.
        place: String,
        /// Who, as far as it can be known.
        holder: String,
    },
    /// It cannot be made.
    #[error("cannot listen at {place}")]
    Bind {
        /// Socket or address.
        place: String,
        #[source]
        source: io::Error,
    },
    /// The token file cannot be used.
    #[error("the token file {path} {what}")]
    Token { path: PathBuf, what: String },
}

/// The Unix socket of the API.
#[derive(Debug)]
pub struct UnixDoor {
    /// Where tills call.
    pub listener: std::os::unix::net::UnixListener,
    /// Of its file, as it was made; `None` when it was removed at once.
    pub identity: Option<Identity>,
}

/// Makes the Unix socket, 0660, for group `oplati-till` where that group exists. What a dead process
/// left is replaced; a living one's is not.
pub fn bind_unix(path: &Path) -> Result<UnixDoor, ListenError> {
    let place = || path.display().to_string();
    let bind = |source| ListenError::Bind {
        place: place(),
        source,
    };
    if path.as_os_str().len() > MAX_SOCKET_PATH_BYTES {
        let what = format!(
            "the path of a socket has at most {MAX_SOCKET_PATH_BYTES} bytes: name a shorter one as socket in [Till]"
        );
        return Err(bind(io::Error::new(io::ErrorKind::InvalidInput, what)));
    }
    if let Some(folder) = path.parent() {
        folders::make(folder, FOLDER_MODE).map_err(bind)?;
    }
    if let Ok(metadata) = std::fs::symlink_metadata(path) {
        if !metadata.file_type().is_socket() {
            return Err(bind(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "it is no socket",
            )));
        }
        match unix_socket::connect(path) {
            Ok(other) => {
                return Err(ListenError::Taken {
                    place: place(),
                    holder: peer(&other),
                });
            }
            // It listens, and takes nobody.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(ListenError::Taken {
                    place: place(),
                    holder: ANOTHER_PROCESS.to_owned(),
                });
            }
            // Nobody listens: left behind by a process that was killed.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                std::fs::remove_file(path).map_err(bind)?;
            }
            Err(error) => return Err(bind(error)),
        }
    }
    let listener = std::os::unix::net::UnixListener::bind(path).map_err(bind)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(bind)?;
    give_to_tills(path);
    listener.set_nonblocking(true).map_err(bind)?;
    let identity = Identity::of(path);
    Ok(UnixDoor { listener, identity })
}

/// What distinguishes a file from every other that ever is at its path: its device and inode. Rights, owner, links
/// and times may change, and it is the same file.
#[derive(Debug)]
pub struct Identity {
    device: u64,
    inode: u64,
    /// As long as this is open, the inode's number is given to no other file.
    _held: OwnedFd,
}

impl Identity {
    /// Of the file that is at a path now; `None` when there is none.
    pub(crate) fn of(path: &Path) -> Option<Identity> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let held = rustix::fs::open(path, flags, rustix::fs::Mode::empty()).ok()?;
        let facts = rustix::fs::fstat(&held).ok()?;
        Some(Identity {
            device: facts.st_dev,
            inode: facts.st_ino,
            _held: held,
        })
    }

    /// Whether that file is at a path.
    pub fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        std::fs::metadata(path)
            .is_ok_and(|facts| (facts.dev(), facts.ino()) == (self.device, self.inode))
    }
}

/// Listens on loopback.
///
/// # Errors
/// [`ListenError`], naming the holder of a taken port where it can be known.
pub fn bind_tcp(address: SocketAddr) -> Result<std::net::TcpListener, ListenError> {
    let listener = std::net::TcpListener::bind(address).map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            let holder = port_holder(address.port()).unwrap_or_else(|| ANOTHER_PROCESS.to_owned());
            return ListenError::Taken {
                place: address.to_string(),
                holder,
            };
        }
        ListenError::Bind {
            place: address.to_string(),
            source,
        }
    })?;
    listener
        .set_nonblocking(true)
        .map_err(|source| ListenError::Bind {
            place: address.to_string(),
            source,
        })?;
    Ok(listener)
}

fn peer(other: &OwnedFd) -> String {
    match rustix::net::sockopt::socket_peercred(other) {
        Ok(credentials) => process_name(&credentials.pid.as_raw_nonzero().to_string()),
        Err(_) => ANOTHER_PROCESS.to_owned(),
    }
}

/// Best effort: a developer's machine has no such group, and then the owner alone may call.
/// In the package's /run/oplati it has the group from the folder, and the unit allows no `chown`.
fn give_to_tills(path: &Path) {
    use std::os::unix::fs::MetadataExt as _;
    let has = std::fs::symlink_metadata(path)
        .ok()
        .map(|facts| facts.gid());
    if let Some(group) = group_id(TILL_GROUP)
        && has != Some(group)
        && let Err(error) = std::os::unix::fs::chown(path, None, Some(group))
    {
        tracing::warn!(path = %path.display(), %error, "Cannot give a file to group oplati-till");
    }
}

/// The bearer token: read, or made if there is none.
///
/// # Errors
/// [`ListenError::Token`] when the file holds no token, or others may read it.
pub fn load_or_make_token(path: &Path) -> Result<Secret, ListenError> {
    let wrong = |what: String| ListenError::Token {
        path: path.to_owned(),
        what,
    };
    match regular_file::read(path, MAX_TOKEN_FILE) {
        Ok(bytes) => {
            let mode = std::fs::metadata(path).map(|metadata| metadata.permissions().mode());
            if mode.map_err(|error| wrong(format!("cannot be examined: {error}")))? & 0o007 != 0 {
                return Err(wrong("may be read by everybody; chmod o= it".to_owned()));
            }
            let text = String::from_utf8(bytes).unwrap_or_default();
            let token = text.trim();
            if !(16..=256).contains(&token.len())
                || !token.bytes().all(|byte| byte.is_ascii_graphic())
            {
                return Err(wrong(
                    "holds no token: one line of 16 to 256 ASCII characters; delete it and restart"
                        .to_owned(),
                ));
            }
            Ok(Secret::new(token))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_token(path).map_err(|error| wrong(format!("cannot be made: {error}")))
        }
        Err(error) => Err(wrong(format!("cannot be read: {error}"))),
    }
}

fn make_token(path: &Path) -> io::Result<Secret> {
    let token = random::hex::<32>()?;
    if let Some(folder) = path.parent() {
        folders::make(folder, FOLDER_MODE)?;
    }
    let temporary = path.with_extension("token.new");
    drop(std::fs::remove_file(&temporary));
    let kept = keep_token(&temporary, &token).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = kept {
        // A full disk may have taken the name and a part of the token.
        drop(std::fs::remove_file(&temporary));
        return Err(error);
    }
    Ok(Secret::new(token))
}

fn keep_token(path: &Path, token: &str) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    // Whatever the umask: the group of the tills must read it.
    file.set_permissions(std::fs::Permissions::from_mode(0o640))?;
    file.write_all(format!("{token}\n").as_bytes())?;
    file.sync_all()?;
    give_to_tills(path);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_a_living_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/till.sock");
        let first = bind_unix(&path).unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o660
        );
        let error = bind_unix(&path).unwrap_err().to_string();
        assert!(
            error.contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
        drop(first);
        let second = bind_unix(&path).unwrap();
        let made = second.identity.unwrap();
        assert!(made.is_at(&path));
        // However soon after, a socket that was removed or replaced is not the one that was made.
        drop(second.listener);
        std::fs::remove_file(&path).unwrap();
        assert!(!made.is_at(&path));
        let _third = bind_unix(&path).unwrap();
        assert!(!made.is_at(&path));
        let file = folder.path().join("file");
        std::fs::write(&file, "kept").unwrap();
        assert!(bind_unix(&file).is_err());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "kept");
    }

    #[test]
    fn a_socket_with_other_rights_links_and_times_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("till.sock");
        let made = bind_unix(&path).unwrap().identity.unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        std::fs::hard_link(&path, folder.path().join("link")).unwrap();
        assert!(made.is_at(&path));
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&path, &elsewhere).unwrap();
        assert!(!made.is_at(&path));
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        assert!(made.is_at(&path), "callers reach it by the link");
    }

    #[test]
    fn a_taken_port_names_its_holder() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let error = bind_tcp(held.local_addr().unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn a_token_that_cannot_be_kept_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("till.token");
        // Whatever the writing fails of: a name that is a folder's is taken by no file.
        std::fs::create_dir(&path).unwrap();
        assert!(make_token(&path).is_err());
        let left = std::fs::read_dir(folder.path()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["till.token"]);
    }

    #[test]
    fn the_token_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/till.token");
        let token = load_or_make_token(&path).unwrap();
        assert_eq!(token.expose().len(), 64);
        assert_eq!(load_or_make_token(&path).unwrap(), token);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o640
        );
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(load_or_make_token(&path).is_err());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        std::fs::write(&path, "short\n").unwrap();
        let error = load_or_make_token(&path).unwrap_err().to_string();
        assert!(!error.contains("short"), "{error}");
    }
}
