//! Which profile fits a device, and why. The reason is shown to the technician, and decides what may
//! be done unasked: a device is taken by itself only if it can be nothing but a scanner.

use crate::devices::discovery::Candidate;
use crate::devices::discovery::report_descriptor::is_barcode_scanner;
use crate::devices::mode::Mode;
use crate::devices::profile::schema::{Match, Profile};
use crate::devices::profile::{DisplayProfile, Registry};
use crate::texts::technician::{self, Text};

/// How well a profile fits; the later, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// A bridge that all sorts of devices have.
    GenericBridge,
    /// Its descriptor declares a barcode scanner.
    Usage,
    /// The same, of a known vendor.
    VendorUsage,
    /// Vendor, and product by the maker's pattern.
    Pattern,
    /// Vendor and product.
    Exact,
}

impl Why {
    /// For people.
    pub fn text(self) -> Text {
        match self {
            Why::GenericBridge => technician::WHY_GENERIC_BRIDGE,
            Why::Usage => technician::WHY_USAGE,
            Why::VendorUsage => technician::WHY_VENDOR_USAGE,
            Why::Pattern => technician::WHY_PATTERN,
            Why::Exact => technician::WHY_EXACT,
        }
    }
}

/// A profile that fits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fit<'a> {
    pub profile: &'a Profile,
    pub why: Why,
}

impl Fit<'_> {
    /// Whether the device can be nothing but a scanner.
    pub fn is_surely_scanner(&self, mode: Mode) -> bool {
        match mode {
            Mode::Serial | Mode::Keyboard => self.why >= Why::Pattern,
            Mode::HidPos => self.why >= Why::Usage,
        }
    }

    /// Whether udev has a rule for it, which needs a vendor: the kernel passes no usages to udev.
    pub fn has_udev_rule(&self, mode: Mode) -> bool {
        self.is_surely_scanner(mode) && self.why != Why::Usage
    }

    /// Whether it may be opened although no setting names it. A keyboard that is grabbed by mistake is
    /// dead for the person before it, so that a maker's pattern is not enough for one.
    pub fn may_take_unasked(&self, mode: Mode) -> bool {
        self.is_surely_scanner(mode) && (mode != Mode::Keyboard || self.why == Why::Exact)
    }
}

impl Registry {
    /// The profile that fits best.
    pub(crate) fn fit(&self, candidate: &Candidate) -> Option<Fit<'_>> {
        let is_scanner =
            candidate.mode == Mode::HidPos && is_barcode_scanner(&candidate.descriptor);
        let fits = self.profiles().filter_map(|profile| {
            let whys = profile.matches.iter();
            let why = whys
                .filter_map(|claim| claim.why(candidate, is_scanner))
                .max()?;
            Some(Fit { profile, why })
        });
        fits.max_by_key(|fit| fit.why)
    }

    /// The profile of a device that can be nothing but a scanner, in whatever mode it is: makers give a
    /// scanner another number in each mode, and not all of them are known.
    pub(crate) fn scanner_id(&self, candidate: &Candidate) -> Option<&str> {
        let fit = self.fit(candidate);
        let sure = fit.filter(|fit| fit.is_surely_scanner(candidate.mode));
        let makers = || {
            let mut profiles = self.profiles();
            profiles.find(|profile| {
                let mut claims = profile.matches.iter();
                claims.any(|claim| {
                    candidate.vid.is_some() && claim.vid == candidate.vid && !claim.generic_bridge
                })
            })
        };
        let profile = sure.map(|fit| fit.profile).or_else(makers)?;
        Some(&profile.id)
    }

    /// The display whose own USB numbers these are.
    pub(crate) fn fit_display(&self, candidate: &Candidate) -> Option<&DisplayProfile> {
        self.displays().find(|profile| {
            let mut claims = profile.matches.iter();
            claims.any(|claim| claim.why(candidate, false) == Some(Why::Exact))
        })
    }
}

impl Match {
    fn why(&self, candidate: &Candidate, is_scanner: bool) -> Option<Why> {
        if self.mode != candidate.mode || (self.mode == Mode::HidPos && !is_scanner) {
            return None;
        }
        let Some(vid) = self.vid else {
            return (self.mode == Mode::HidPos).then_some(Why::Usage);
        };
        if candidate.vid != Some(vid) {
            return None;
        }
        let Some(pid) = self.pid else {
            return Some(if self.generic_bridge {
                Why::GenericBridge
            } else {
                Why::VendorUsage
            });
        };
        if (candidate.pid? ^ pid) & self.pid_mask.unwrap_or(0xffff) != 0 {
            return None;
        }
        Some(match (self.generic_bridge, self.pid_mask) {
            (true, _) => Why::GenericBridge,
            (false, Some(_)) => Why::Pattern,
            (false, None) => Why::Exact,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::discovery::report_descriptor::tests::{HONEYWELL_LIKE, KEYBOARD_LIKE};
    use crate::devices::discovery::sysfs::{
        candidates,
        tests::{KEYS, Tree},
    };

    fn fits(tree: &Tree) -> Vec<Option<(String, Why, bool)>> {
        let registry = Registry::built_in();
        let fit = |one: &Candidate| {
            registry.fit(one).map(|fit| {
                (
                    fit.profile.id.clone(),
                    fit.why,
                    fit.may_take_unasked(one.mode),
                )
            })
        };
        candidates(tree.path()).iter().map(fit).collect()
    }

    #[test]
    fn the_most_certain_reason_wins() {
        let tree = Tree::new();
        for (port, vid, pid) in [
            ("1-1", "1eab", "0d06"),
            ("1-2", "1a86", "7523"),
            ("1-3", "ffff", "0001"),
        ] {
            tree.usb(port, vid, pid, "");
            tree.tty(port, &format!("ttyX{port}"));
        }
        let expected = [
            Some(("newland".to_owned(), Why::Pattern, true)),
            Some(("generic-serial".to_owned(), Why::GenericBridge, false)),
            None,
        ];
        assert_eq!(fits(&tree), expected);
    }

    #[test]
    fn a_keyboard_that_a_person_may_type_on_is_never_taken() {
        let tree = Tree::new();
        for (port, vid, pid) in [
            ("1-1", "046d", "c31c"),
            ("1-2", "1eab", "8003"),
            ("1-3", "0c2e", "0204"),
        ] {
            tree.usb(port, vid, pid, "");
            tree.keyboard(port, &format!("event{port}"), KEYS);
        }
        let expected = [
            None,
            Some(("newland".to_owned(), Why::Pattern, false)),
            Some(("honeywell".to_owned(), Why::Exact, true)),
        ];
        assert_eq!(fits(&tree), expected);
    }

    #[test]
    fn a_display_is_known_by_its_own_numbers_and_is_no_scanner() {
        let tree = Tree::new();
        tree.usb("1-1", "1208", "0780", "");
        tree.tty("1-1", "ttyUSB0");
        tree.usb("1-2", "0403", "6001", "");
        tree.tty("1-2", "ttyUSB1");
        let registry = Registry::built_in();
        let displays: Vec<Option<&str>> = candidates(tree.path())
            .iter()
            .map(|one| registry.fit_display(one).map(|profile| profile.id.as_str()))
            .collect();
        assert_eq!(displays, [Some("epson-dm-d110"), None]);
        let scanners = fits(&tree);
        assert_eq!(scanners[0], None);
        assert!(!scanners[1].as_ref().unwrap().2, "a bridge is not taken");
    }

    #[test]
    fn hid_pos_is_known_by_its_descriptor_and_not_without_it() {
        let tree = Tree::new();
        for (port, vid, pid, descriptor) in [
            ("1-1", "ffff", "0001", HONEYWELL_LIKE),
            ("1-2", "0c2e", "0907", HONEYWELL_LIKE),
            ("1-3", "0c2e", "ffff", HONEYWELL_LIKE),
            ("1-4", "0c2e", "0907", KEYBOARD_LIKE),
        ] {
            tree.usb(port, vid, pid, "");
            tree.hidraw(port, &format!("hidraw{port}"), "", descriptor);
        }
        let ruled = |one: &Candidate| {
            Registry::built_in()
                .fit(one)
                .map(|fit| fit.has_udev_rule(one.mode))
        };
        let has_rule: Vec<Option<bool>> = candidates(tree.path()).iter().map(ruled).collect();
        assert_eq!(has_rule, [Some(false), Some(true), Some(true), None]);
        let expected = [
            Some(("generic-hid-pos".to_owned(), Why::Usage, true)),
            Some(("honeywell".to_owned(), Why::Exact, true)),
            Some(("honeywell".to_owned(), Why::VendorUsage, true)),
            None,
        ];
        assert_eq!(fits(&tree), expected);
    }

    #[test]
    fn a_scanner_in_a_mode_whose_number_nobody_knows_is_still_a_scanner() {
        let tree = Tree::new();
        let devices = [
            ("1-1", "0c2e", "0b81", Some("honeywell")),
            ("1-2", "1a86", "7523", None),
            ("1-3", "046d", "c31c", None),
        ];
        for (port, vid, pid, _) in devices {
            tree.usb(port, vid, pid, "");
            tree.keyboard(port, &format!("event{port}"), KEYS);
        }
        let registry = Registry::built_in();
        for (candidate, (.., expected)) in candidates(tree.path()).iter().zip(devices) {
            assert_eq!(registry.scanner_id(candidate), expected);
            assert!(registry.fit(candidate).is_none(), "it is not taken");
        }
    }
}
