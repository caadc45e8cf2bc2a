//! udev rules that follow from the profiles: rights for the daemon's group, and stable names.
//!
//! `udev/60-oplati.rules` is this text, committed; a test compares them. Generic bridges get no rule:
//! the same numbers may belong to a scale. A shop binds such a port by its place ([`local_rule`]).

use super::registry::Registry;
use super::schema::Match;
use crate::devices::mode::Mode;

const HEAD: &str = "\
# Made from the device profiles by `oplati devices udev-rules`; do not edit.
# Scanners and serial displays belong to the daemon's group and have stable names below /dev/oplati: by
# profile, and by profile and place for several of one kind. ModemManager keeps off.
ACTION==\"remove\", GOTO=\"oplati_end\"

# The virtual keyboard by which a shared scanner types for the till program.
SUBSYSTEM==\"misc\", KERNEL==\"uinput\", GROUP=\"oplati\", MODE=\"0660\", OPTIONS+=\"static_node=uinput\"

# The text console's cursor, which the daemon stills while that screen is the buyer's.
SUBSYSTEM==\"graphics\", KERNEL==\"fbcon\", RUN+=\"/bin/chgrp oplati /sys%p/cursor_blink\", RUN+=\"/bin/chmod 0664 /sys%p/cursor_blink\"

SUBSYSTEM==\"usb\", ENV{DEVTYPE}==\"usb_device\", GOTO=\"oplati_usb\"
SUBSYSTEM!=\"tty|hidraw|input\", GOTO=\"oplati_end\"
IMPORT{builtin}=\"path_id\"
";

const TAIL: &str = "
ENV{OPLATI_PROFILE}!=\"?*\", GOTO=\"oplati_end\"
GROUP=\"oplati\", MODE=\"0660\", SYMLINK+=\"oplati/$env{OPLATI_PROFILE}\"
ENV{ID_PATH}==\"?*\", SYMLINK+=\"oplati/$env{OPLATI_PROFILE}-$env{ID_PATH}\"
SUBSYSTEM==\"tty\", ENV{ID_MM_PORT_IGNORE}=\"1\"
GOTO=\"oplati_end\"

LABEL=\"oplati_usb\"
";

/// The whole file.
pub fn rules(registry: &Registry) -> String {
    let mut text = HEAD.to_owned();
    for profile in registry.all() {
        let claims = profile.matches().iter();
        let lines: String = claims
            .filter_map(|claim| node_rule(claim, profile.id()))
            .collect();
        if !lines.is_empty() {
            text += &format!("\n# {}\n{lines}", profile.name());
        }
    }
    text.push_str(TAIL);
    for profile in registry.all() {
        let mut serial = profile.matches().to_vec();
        serial.retain(|claim| claim.mode == Mode::Serial);
        for device in serial.iter().filter_map(usb_ids) {
            text += &format!("{device}, ENV{{ID_MM_DEVICE_IGNORE}}=\"1\"\n");
        }
    }
    text.push_str("\nLABEL=\"oplati_end\"\n");
    text
}

/// A rule of the shop for one port by its place, whatever is plugged in there.
pub fn local_rule(mode: Mode, id_path: &str, name: &str) -> String {
    let (subsystem, kernel) = match mode {
        Mode::Serial => ("tty", ""),
        Mode::HidPos => ("hidraw", ""),
        Mode::Keyboard => ("input", "KERNEL==\"event*\", "),
    };
    let modem = if mode == Mode::Serial {
        ", ENV{ID_MM_PORT_IGNORE}=\"1\""
    } else {
        ""
    };
    format!(
        "ACTION!=\"remove\", SUBSYSTEM==\"{subsystem}\", {kernel}IMPORT{{builtin}}=\"path_id\", ENV{{ID_PATH}}==\"{id_path}\", GROUP=\"oplati\", MODE=\"0660\", SYMLINK+=\"oplati/{name}\"{modem}\n"
    )
}

fn node_rule(claim: &Match, id: &str) -> Option<String> {
    // A port of any vendor's product may be anything; a HID node of a scanner maker is a scanner's.
    if claim.generic_bridge {
        return None;
    }
    let vid = claim.vid?;
    let device = match claim.mode {
        Mode::Serial => format!("SUBSYSTEM==\"tty\", {}", usb_ids(claim)?),
        Mode::HidPos => {
            let pid =
                product(claim).map_or_else(|| "*".to_owned(), |pid| pid.to_uppercase() + ".*");
            format!("SUBSYSTEM==\"hidraw\", KERNELS==\"0003:{vid:04X}:{pid}\"")
        }
        Mode::Keyboard => format!(
            "SUBSYSTEM==\"input\", KERNEL==\"event*\", ATTRS{{id/vendor}}==\"{vid:04x}\", ATTRS{{id/product}}==\"{}\"",
            product(claim)?
        ),
    };
    Some(format!("{device}, ENV{{OPLATI_PROFILE}}=\"{id}\"\n"))
}

fn usb_ids(claim: &Match) -> Option<String> {
    if claim.generic_bridge {
        return None;
    }
    Some(format!(
        "ATTRS{{idVendor}}==\"{:04x}\", ATTRS{{idProduct}}==\"{}\"",
        claim.vid?,
        product(claim)?
    ))
}

/// Four hexadecimal digits, `?` where the pattern leaves them open.
fn product(claim: &Match) -> Option<String> {
    let (pid, mask) = (claim.pid?, claim.pid_mask.unwrap_or(0xffff));
    let digits = format!("{pid:04x}");
    let open = format!("{mask:04x}");
    let pattern = digits.chars().zip(open.chars());
    let pattern = pattern.map(|(digit, mask)| if mask == 'f' { digit } else { '?' });
    Some(pattern.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_rules_are_those_of_the_profiles() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/udev/60-oplati.rules");
        let made = rules(&Registry::built_in());
        if std::env::var_os("OPLATI_BLESS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == made,
            "udev/60-oplati.rules is not what `oplati devices udev-rules` prints"
        );
    }

    #[test]
    fn bridges_have_no_rule_and_patterns_have_theirs() {
        let text = rules(&Registry::built_in());
        for bridge in ["1a86", "067b", "0403", "10c4", "0483"] {
            assert!(!text.contains(bridge), "{bridge} has a rule");
        }
        assert!(text.contains(
            "ATTRS{idVendor}==\"1eab\", ATTRS{idProduct}==\"??06\", ENV{OPLATI_PROFILE}=\"newland\""
        ));
        assert!(text.contains("KERNELS==\"0003:05E0:*\""));
        assert!(text.contains("KERNELS==\"0003:1EAB:??10.*\""));
        assert!(text.contains("ATTRS{id/product}==\"??03\""));
    }

    #[test]
    fn a_port_is_bound_by_its_place() {
        let rule = local_rule(Mode::Serial, "pci-0000:00:14.0-usb-0:2:1.0", "left");
        assert!(rule.contains("ENV{ID_PATH}==\"pci-0000:00:14.0-usb-0:2:1.0\""));
        assert!(rule.contains("SYMLINK+=\"oplati/left\""));
        assert!(!local_rule(Mode::Keyboard, "x", "y").contains("ID_MM"));
    }
}
