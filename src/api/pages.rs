//! The buyer's pages that listen. They need no token, so that anybody on the till may open one: the newest always has
//! a place, and the oldest goes. A shop's own page that was cut off comes back by itself, and is the newest then.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;

use crate::base::lock::lock;

/// Pages at the same time.
pub(super) const MAX_PAGES: usize = 8;

/// Who listens, the oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Pages(Arc<Mutex<VecDeque<Arc<Notify>>>>);

/// One page's place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct PagePlace {
    pages: Pages,
    must_go: Arc<Notify>,
}

impl Pages {
    /// A place for one more; the oldest loses its own where there is none.
    pub(super) fn enter(&self) -> PagePlace {
        let must_go = Arc::new(Notify::new());
        let mut pages = lock(&self.0);
        pages.push_back(Arc::clone(&must_go));
        if pages.len() > MAX_PAGES
            && let Some(oldest) = pages.pop_front()
        {
            oldest.notify_one();
        }
        drop(pages);
        PagePlace {
            pages: self.clone(),
            must_go,
        }
    }
}

impl PagePlace {
    /// Waits until a newer page needs the place.
    pub(super) async fn must_go(&self) {
        self.must_go.notified().await;
    }
}

impl Drop for PagePlace {
    fn drop(&mut self) {
        let mut pages = lock(&self.pages.0);
        pages.retain(|other| !Arc::ptr_eq(other, &self.must_go));
    }
}
