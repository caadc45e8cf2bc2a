//! Locks that one thread's panic does not take from the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the mutex guards, also after a panic of who held it.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
