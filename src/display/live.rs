//! What the buyer sees now, for the API and the browser page.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::frame::Frame;
use super::panel::{Ability, Driver, Panel, PanelError, PixelPanel};
use crate::causes::with_causes;
use crate::config::PixelSize;

/// What the buyer sees now, for the API and the browser page.
#[derive(Debug)]
pub struct LiveFrame {
    png: Mutex<Arc<[u8]>>,
    scenes: watch::Sender<u64>,
}

impl Default for LiveFrame {
    fn default() -> LiveFrame {
        LiveFrame {
            png: Mutex::new(Arc::from([])),
            scenes: watch::Sender::new(0),
        }
    }
}

impl LiveFrame {
    /// The number of the scene and its picture, a PNG; empty before the first one.
    #[must_use]
    pub fn png(&self) -> (u64, Arc<[u8]>) {
        let png = self.png.lock().unwrap_or_else(PoisonError::into_inner);
        (*self.scenes.borrow(), png.clone())
    }

    /// Tells the number of each new scene.
    #[must_use]
    pub fn scenes(&self) -> watch::Receiver<u64> {
        self.scenes.subscribe()
    }

    /// Whether anybody looks.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.scenes.receiver_count() > 0
    }

    fn set(&self, bytes: Vec<u8>) {
        let mut png = self.png.lock().unwrap_or_else(PoisonError::into_inner);
        *png = Arc::from(bytes);
        self.scenes.send_modify(|number| *number += 1);
    }
}

/// The picture that the API serves.
#[derive(Clone, Debug)]
pub(super) struct LivePicture {
    pub(super) frame: Arc<LiveFrame>,
    pub(super) size: PixelSize,
}

impl Driver for LivePicture {
    fn node(&self) -> String {
        "/display".to_owned()
    }

    fn ability(&self) -> Option<Ability> {
        Some(Ability::Pixels {
            size: self.size,
            millimetres: None,
        })
    }

    fn open(&mut self) -> Result<Panel, PanelError> {
        Ok(Panel::Pixels(Box::new(self.clone())))
    }
}

impl PixelPanel for LivePicture {
    fn size(&self) -> PixelSize {
        self.size
    }

    fn show(&mut self, frame: &Frame) -> Result<(), PanelError> {
        let png = frame
            .png()
            .map_err(|error| PanelError::Failed(with_causes(&error)))?;
        self.frame.set(png);
        Ok(())
    }
}
