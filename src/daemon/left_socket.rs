//! The socket of a daemon that did not come to run, such as a second one beside the same journal.

use std::path::{Path, PathBuf};

use crate::api::listen::Identity;

/// Takes the socket away when it is dropped, unless the daemon runs by then or another has taken the place.
#[derive(Debug)]
pub(super) struct LeftSocket(Option<(PathBuf, Option<Identity>)>);

impl LeftSocket {
    /// Of a socket that was made just now.
    pub(super) fn at(path: &Path, made: Option<Identity>) -> LeftSocket {
        LeftSocket(Some((path.to_owned(), made)))
    }

    /// The daemon runs: the socket is its own to take away.
    pub(super) fn keep(mut self) -> Option<Identity> {
        self.0.take().and_then(|(_, made)| made)
    }
}

impl Drop for LeftSocket {
    fn drop(&mut self) {
        let Some((path, Some(made))) = self.0.take() else {
            return;
        };
        if made.is_at(&path)
            && let Err(error) = std::fs::remove_file(&path)
        {
            tracing::warn!(socket = %path.display(), %error, "The socket stays behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_the_socket_of_a_daemon_that_does_not_run_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("till.sock");
        let made = || {
            drop(UnixListener::bind(&path).unwrap());
            LeftSocket::at(&path, Identity::of(&path))
        };
        assert!(made().keep().is_some() && path.exists());
        std::fs::remove_file(&path).unwrap();
        drop(made());
        assert!(!path.exists());
        let left = made();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "of somebody else").unwrap();
        drop(left);
        assert!(path.exists());
    }
}
