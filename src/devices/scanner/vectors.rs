//! A profile's vectors, run through the code that reads the device.

use std::time::Duration;

use super::frame::{Framer, Framing};
use super::hid::aim as hid_aim;
use super::hid::assemble::Assembler;
use super::keyboard::decode::Decoder;
use super::text::{Aim, decode};
use crate::devices::discovery::report_descriptor::layouts;
use crate::devices::mode::Mode;
use crate::devices::profile::schema::{Profile, Vector};

/// Time between two pieces of a vector; shorter than any silence.
const WITHIN_A_CODE: Duration = Duration::from_millis(1);
/// Longer than any silence that a profile may name.
const BEYOND_ANY_SILENCE: Duration = Duration::from_secs(60);

/// What does not come out as the profile states, English.
pub fn failures(profile: &Profile) -> Vec<String> {
    let vectors = profile.vectors.iter().enumerate();
    let failed = vectors.filter_map(|(index, vector)| {
        let place = format!("[[vector]] {}", index + 1);
        match read(profile, vector) {
            Err(reason) => Some(format!("{place}: {reason}")),
            Ok(codes) if codes != vector.codes => Some(format!(
                "{place}: {codes:?} is read and not {:?}",
                vector.codes
            )),
            Ok(_) => None,
        }
    });
    failed.collect()
}

fn read(profile: &Profile, vector: &Vector) -> Result<Vec<String>, String> {
    let (codes, aim) = match vector.mode {
        Mode::Serial => (serial(profile, vector)?, Aim::Strip),
        Mode::HidPos => hid(profile, vector)?,
        Mode::Keyboard => (keyboard(profile, vector)?, Aim::Strip),
    };
    let texts = codes.iter().filter_map(|code| decode(code, aim));
    Ok(texts.map(|text| text.expose().to_owned()).collect())
}

fn serial(profile: &Profile, vector: &Vector) -> Result<Vec<Vec<u8>>, String> {
    let mut framer = Framer::new(Framing::of(&profile.serial()));
    let mut now = Duration::ZERO;
    let mut frames = Vec::new();
    for piece in &vector.hex {
        frames.extend(framer.push(&bytes(piece)?, now));
        now += WITHIN_A_CODE;
    }
    frames.extend(framer.handle_timeout(now + BEYOND_ANY_SILENCE));
    Ok(frames.into_iter().map(|frame| frame.code).collect())
}

fn hid(profile: &Profile, vector: &Vector) -> Result<(Vec<Vec<u8>>, Aim), String> {
    let descriptor = vector.descriptor.as_deref().ok_or("descriptor is needed")?;
    let layouts = layouts(&bytes(descriptor)?).map_err(|unfit| unfit.to_string())?;
    let settings = profile.hid();
    let continuation = Duration::from_millis(settings.continuation_ms.into());
    let aim = hid_aim(&layouts);
    let mut assembler = Assembler::new(layouts, continuation, settings.answers_commands());
    let mut codes = Vec::new();
    for report in &vector.hex {
        codes.extend(assembler.push(&bytes(report)?, WITHIN_A_CODE));
    }
    codes.extend(assembler.handle_timeout(BEYOND_ANY_SILENCE));
    Ok((codes, aim))
}

fn keyboard(profile: &Profile, vector: &Vector) -> Result<Vec<Vec<u8>>, String> {
    let mut decoder = Decoder::new(profile.keyboard());
    let mut typed = Vec::new();
    let keys = vector.keys.as_deref().ok_or("keys are needed")?;
    for (key, value) in key_events(keys)? {
        typed.extend(decoder.push(key, value, WITHIN_A_CODE));
    }
    typed.extend(decoder.handle_timeout(BEYOND_ANY_SILENCE));
    let texts = typed.into_iter().filter_map(|typed| typed.text);
    Ok(texts.map(String::into_bytes).collect())
}

/// The events of keys as a vector writes them: `+42` pressed, `-42` released, `30` both.
pub(super) fn key_events(keys: &str) -> Result<Vec<(u16, i32)>, String> {
    let mut events = Vec::new();
    for stroke in keys.split_whitespace() {
        let (values, key): (&[i32], &str) = match stroke.split_at_checked(1) {
            Some(("+", key)) => (&[1], key),
            Some(("-", key)) => (&[0], key),
            _ => (&[1, 0], stroke),
        };
        let key = key
            .parse()
            .map_err(|_| format!("{stroke:?}: +KEY, -KEY or KEY with its number is allowed"))?;
        events.extend(values.iter().map(|value| (key, *value)));
    }
    Ok(events)
}

fn bytes(hex: &str) -> Result<Vec<u8>, String> {
    let pairs = hex.split_whitespace();
    pairs
        .map(|pair| {
            u8::from_str_radix(pair, 16)
                .map_err(|_| format!("{pair:?}: bytes of two hexadecimal digits are allowed"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::profile::Registry;

    #[test]
    fn every_built_in_vector_comes_out() {
        for profile in Registry::built_in().profiles() {
            assert_eq!(failures(profile), Vec::<String>::new(), "{}", profile.id);
        }
    }

    #[test]
    fn a_wrong_vector_is_reported() {
        let mut profile = Registry::built_in().get("generic-serial").unwrap().clone();
        profile.vectors[0].codes = vec!["other".to_owned()];
        assert!(failures(&profile)[0].contains("is read and not"));
        profile.vectors[0].hex = vec!["zz".to_owned()];
        assert!(failures(&profile)[0].contains("two hexadecimal digits"));
        profile.vectors[0].mode = Mode::HidPos;
        assert!(failures(&profile)[0].contains("descriptor is needed"));
    }
}
