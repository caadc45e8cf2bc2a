//! The till's token: issued once, kept for ever.
//!
//! The service issues one token for a till and then refuses until a person resets it in the
//! merchant's account. So the file that will hold it is written and synced *before* the token is
//! asked for: a full disk or a read-only one shows while nothing is lost.

use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::base::regular_file;
use crate::base::secret::Secret;

/// Longest token that is believed, and the room that is made before it is asked for.
const MAX_TOKEN_BYTES: usize = 4096;
const TOO_LONG: &str = "longer than 4096 bytes";

/// What editors put in front of a text to mark it as UTF-8.
const BOM: char = '\u{feff}';

/// What is wrong with token.conf.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// It is there, but holds no token.
    #[error(
        "{path} is damaged: {what}; do not delete it, it may hold the only token: bring it back from a copy, or leave the token alone on one line"
    )]
    Damaged {
        path: PathBuf,
        /// What is wrong, without its content.
        what: &'static str,
    },
    /// It cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It cannot be written.
    #[error("cannot write {path}")]
    Unwritable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Touches the file at `path` in a thread of its own: a share that hangs must not keep the thread that serves tills.
///
/// # Errors
/// [`TokenError`]; [`TokenError::Unreadable`] for a disk that does not answer.
pub(super) async fn within_time<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&Path) -> Result<T, TokenError> + Send + 'static,
) -> Result<T, TokenError> {
    let own = path.to_owned();
    let done = regular_file::off_thread(move || work(&own)).await;
    done.unwrap_or_else(|source| {
        Err(TokenError::Unreadable {
            path: path.to_owned(),
            source,
        })
    })
}

/// Reads the token; `None` when there is no file.
///
/// # Errors
/// [`TokenError`]: nobody may ask for another token then.
pub(super) fn read(path: &Path) -> Result<Option<Secret>, TokenError> {
    let bytes = match regular_file::read(path, MAX_TOKEN_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return left_behind(path),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            return Err(TokenError::Damaged {
                path: path.to_owned(),
                what: TOO_LONG,
            });
        }
        Err(source) => {
            return Err(TokenError::Unreadable {
                path: path.to_owned(),
                source,
            });
        }
    };
    check(&bytes).map(Some).map_err(|what| TokenError::Damaged {
        path: path.to_owned(),
        what,
    })
}

/// A token that was received, but did not get to its place: it is the only one ever issued, so a file
/// that cannot be read may hold it, and is no reason to ask for another.
fn left_behind(path: &Path) -> Result<Option<Secret>, TokenError> {
    // A token is asked for only while there is no token.conf: a link that leads nowhere may lead to a disk that is
    // not mounted yet, and the token is there.
    if is_dangling_link(path) {
        return Err(TokenError::Unreadable {
            path: path.to_owned(),
            source: io::Error::new(io::ErrorKind::NotFound, "a link that leads nowhere"),
        });
    }
    let temporary = temporary(path);
    let bytes = match regular_file::read(&temporary, MAX_TOKEN_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(TokenError::Unreadable {
                path: temporary,
                source,
            });
        }
    };
    let token = match check(&bytes) {
        Ok(token) => token,
        // Only prepared, or lost in a power cut: there is nothing that asking anew would destroy.
        Err(_) if bytes.iter().all(|byte| matches!(byte, b' ' | b'\n' | 0)) => return Ok(None),
        Err(what) => {
            return Err(TokenError::Damaged {
                path: temporary,
                what,
            });
        }
    };
    match std::fs::rename(&temporary, path) {
        Ok(()) => {
            tracing::warn!(path = %path.display(), "A token that was left behind is put in its place")
        }
        Err(error) => {
            tracing::error!(path = %path.display(), %error, "The token cannot be put in its place");
        }
    }
    Ok(Some(token))
}

/// The content of token.conf for who only looks: as much as a token may have, of a regular file and of nothing that
/// would be waited for.
pub(super) fn content(path: &Path) -> io::Result<Vec<u8>> {
    regular_file::head(path, MAX_TOKEN_BYTES + 1)
}

/// Whether there is a link at `path` whose file does not exist.
pub(super) fn is_dangling_link(path: &Path) -> bool {
    let is_link = std::fs::symlink_metadata(path).is_ok_and(|entry| entry.is_symlink());
    is_link && !path.exists()
}

fn temporary(path: &Path) -> PathBuf {
    path.with_extension("conf.new")
}

/// One line of printable ASCII. White space around it means nothing, and neither do what editors put there: the mark
/// of UTF-8 in front, and a pair of quotation marks.
pub(super) fn check(bytes: &[u8]) -> Result<Secret, &'static str> {
    if bytes.len() > MAX_TOKEN_BYTES {
        return Err(TOO_LONG);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "not ASCII")?;
    let text = without_quotes(text.trim_start_matches(BOM).trim()).trim();
    if text.is_empty() {
        return Err("empty");
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("not one line of printable ASCII");
    }
    Ok(Secret::new(text))
}

fn without_quotes(text: &str) -> &str {
    let within = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    within('"').or_else(|| within('\'')).unwrap_or(text)
}

/// The file that will become token.conf, with room for any token.
#[derive(Debug)]
pub(super) struct Prepared {
    file: std::fs::File,
    temporary: PathBuf,
    path: PathBuf,
    /// The token is in the file: it must not be removed whatever follows.
    holds_token: bool,
}

impl Prepared {
    /// Writes and syncs it.
    ///
    /// # Errors
    /// [`TokenError::Unwritable`]: do not ask for a token.
    pub(super) fn make(path: &Path) -> Result<Prepared, TokenError> {
        let unwritable = |source| TokenError::Unwritable {
            path: path.to_owned(),
            source,
        };
        let temporary = temporary(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(unwritable)?;
        }
        let _ = std::fs::remove_file(&temporary);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .map_err(unwritable)?;
        let prepared = file
            .write_all(&[b' '; MAX_TOKEN_BYTES])
            .and_then(|()| file.sync_all());
        if let Err(error) = prepared {
            let _ = std::fs::remove_file(&temporary);
            return Err(unwritable(error));
        }
        Ok(Prepared {
            file,
            temporary,
            path: path.to_owned(),
            holds_token: false,
        })
    }

    /// Puts the token, which [`check`] has seen, in whole or not at all.
    ///
    /// # Errors
    /// [`TokenError::Unwritable`]; the token is then known to the caller alone.
    pub(super) fn keep(mut self, token: &Secret) -> Result<(), TokenError> {
        self.write(token.expose())
            .map_err(|source| TokenError::Unwritable {
                path: self.path.clone(),
                source,
            })
    }

    fn write(&mut self, token: &str) -> io::Result<()> {
        use std::io::Seek as _;
        self.file.rewind()?;
        let line = format!("{token}\n");
        let written = self.file.write_all(line.as_bytes());
        // Part of a token would be taken for one; a whole one stays, though it may not be synced.
        self.holds_token = written.is_ok();
        written?;
        self.file.sync_all()?;
        self.file
            .set_len(u64::try_from(token.len()).unwrap_or_default() + 1)?;
        self.file.sync_all()?;
        std::fs::rename(&self.temporary, &self.path)?;
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        std::fs::File::open(folder)?.sync_all()
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        if !self.holds_token {
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_kept_token_is_private_one_line_and_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        assert!(read(&path).unwrap().is_none());
        let token = Secret::new("abc-123");
        Prepared::make(&path).unwrap().keep(&token).unwrap();
        assert_eq!(read(&path).unwrap(), Some(token));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "abc-123\n");
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_token_that_did_not_get_to_its_place_is_found_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        let prepared = Prepared::make(&path).unwrap();
        // A folder in its place: the rename fails after the token was received.
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        assert!(prepared.keep(&Secret::new("T-123456")).is_err());
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(read(&path).unwrap(), Some(Secret::new("T-123456")));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "T-123456\n");
        // What was only prepared is no token.
        std::fs::remove_file(&path).unwrap();
        drop(Prepared::make(&path).unwrap());
        for nothing in [b' ', 0] {
            std::fs::write(temporary(&path), [nothing; 64]).unwrap();
            assert_eq!(read(&path).unwrap(), None);
        }
        // What else is there may be the token, and is not written over.
        std::fs::write(temporary(&path), "T-123 456").unwrap();
        assert!(matches!(read(&path), Err(TokenError::Damaged { .. })));
    }

    #[test]
    fn a_pipe_in_the_files_place_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
        assert_eq!(
            content(&path).unwrap_err().to_string(),
            "not a regular file"
        );
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "tok\n").unwrap();
        assert_eq!(content(&path).unwrap(), b"tok\n");
    }

    #[test]
    fn what_cannot_be_read_may_hold_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        // A folder cannot be read by anybody, root included.
        std::fs::create_dir(temporary(&path)).unwrap();
        let error = read(&path).unwrap_err();
        assert!(
            matches!(&error, TokenError::Unreadable { path, .. } if path.ends_with("token.conf.new")),
            "{error:?}"
        );
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        for bad in [
            b"".as_slice(),
            b" \n",
            b"a b",
            b"a\nb",
            b"\"\"",
            b"\xef\xbb\xbf",
            "токен".as_bytes(),
            &[b'a'; 5000],
            &[0xff, 0xfe],
        ] {
            std::fs::write(&path, bad).unwrap();
            let error = read(&path).unwrap_err();
            assert!(matches!(error, TokenError::Damaged { .. }), "{bad:?}");
            assert_eq!(std::fs::read(&path).unwrap(), bad);
        }
    }

    #[test]
    fn what_editors_put_around_a_token_is_no_part_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        for text in [
            "  tok\r\n",
            "\u{feff}tok\r\n",
            "\u{feff} tok",
            "\"tok\"\n",
            "\u{feff}'tok'\r\n",
            "\" tok \"",
        ] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(read(&path).unwrap(), Some(Secret::new("tok")), "{text:?}");
        }
    }

    #[test]
    fn a_link_that_leads_nowhere_is_no_reason_to_ask_for_another_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token.conf");
        std::os::unix::fs::symlink(folder.path().join("mounted/later"), &path).unwrap();
        let error = read(&path).unwrap_err();
        assert!(matches!(error, TokenError::Unreadable { .. }), "{error:?}");
        std::fs::create_dir(folder.path().join("mounted")).unwrap();
        std::fs::write(&path, "tok\n").unwrap();
        assert_eq!(read(&path).unwrap(), Some(Secret::new("tok")));
    }

    #[test]
    fn the_remedy_for_a_damaged_file_keeps_it() {
        let error = TokenError::Damaged {
            path: "token.conf".into(),
            what: "empty",
        };
        assert!(error.to_string().contains("do not delete it"), "{error}");
    }

    #[test]
    fn an_unwritable_place_shows_before_a_token_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        assert!(matches!(
            Prepared::make(&blocked.join("token.conf")),
            Err(TokenError::Unwritable { .. })
        ));
        drop(Prepared::make(&folder.path().join("token.conf")).unwrap());
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "what was not used is gone"
        );
    }
}
