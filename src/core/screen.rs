//! What the buyer sees when nobody attends to him: results go after a while, and the idle scene comes.

use std::time::Duration;

use crate::core::scene::Scene;

/// How long a final scene stays before the display is idle again.
const RESULT_SHOWN: Duration = Duration::from_secs(5);

/// The time of the idle scene.
#[derive(Debug, Default)]
pub(super) struct Screen {
    /// When the idle scene comes; `None` while it is there, or while somebody is attended to.
    idle_at: Option<Duration>,
}

impl Screen {
    /// Somebody is attended to: what is shown now stays until its end.
    pub(super) fn occupy(&mut self) {
        self.idle_at = None;
    }

    /// What is shown is a result: it goes after a while.
    pub(super) fn end(&mut self, now: Duration) {
        self.idle_at = Some(now + RESULT_SHOWN);
    }

    /// What is shown belongs to nothing: it goes at once.
    pub(super) fn clear(&mut self, now: Duration) {
        self.idle_at = Some(now);
    }

    /// When [`Screen::tick`] is due.
    pub(super) fn wakeup(&self) -> Option<Duration> {
        self.idle_at
    }

    /// The idle scene, once, if it is time for it.
    pub(super) fn tick(&mut self, now: Duration) -> Option<Scene> {
        self.idle_at.take_if(|at| *at <= now).map(|_| Scene::Idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(screen: &mut Screen, seconds: u64) -> usize {
        let scene = screen.tick(Duration::from_secs(seconds));
        usize::from(scene.is_some_and(|scene| matches!(scene, Scene::Idle)))
    }

    #[test]
    fn the_idle_scene_comes_once_after_a_result() {
        let mut screen = Screen::default();
        assert_eq!((screen.wakeup(), shown(&mut screen, 9)), (None, 0));
        screen.end(Duration::from_secs(10));
        assert_eq!(screen.wakeup(), Some(Duration::from_secs(15)));
        let times = [14, 15, 16].map(|at| shown(&mut screen, at));
        assert_eq!((times, screen.wakeup()), ([0, 1, 0], None));
    }

    #[test]
    fn who_comes_meanwhile_is_not_sent_away() {
        let mut screen = Screen::default();
        screen.clear(Duration::from_secs(10));
        screen.occupy();
        assert_eq!((screen.wakeup(), shown(&mut screen, 20)), (None, 0));
    }
}
