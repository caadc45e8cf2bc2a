use super::*;
use crate::base::text::assert_has;
use proptest::prelude::*;

fn change(text: &str) -> Change {
    text.parse().unwrap()
}

fn edited(text: &str, changes: &[&str]) -> String {
    String::from_utf8(edited_bytes(text.as_bytes(), changes)).unwrap()
}

fn edited_bytes(bytes: &[u8], changes: &[&str]) -> Vec<u8> {
    changes
        .iter()
        .fold(bytes.to_owned(), |bytes, one| with(&bytes, &change(one)))
}

#[test]
fn the_example_is_the_manuals_and_a_line_stands_below_its_example() {
    let text = edited(EXAMPLE, &["Main.mode=2", "Main.regNum=OPL000011111"]);
    let added: Vec<&str> = text
        .lines()
        .filter(|line| !EXAMPLE.contains(line))
        .collect();
    assert_eq!(added, ["regNum = OPL000011111", "mode = 2"]);
    assert!(text.contains(";mode = 0\nmode = 2\n") && text.contains(";regNum =\nregNum = OPL"));
}

#[test]
fn what_holds_already_changes_nothing() {
    for same in [
        "Main.mode=0",
        "Main.url=http://localhost",
        "Main.password=",
        "Scanner.device=auto",
    ] {
        assert_eq!(edited(EXAMPLE, &[same]), EXAMPLE, "{same}");
    }
    let text = "[Main]\nmode =  2\n";
    assert_eq!(edited(text, &["Main.mode=2"]), text);
}

#[test]
fn bom_line_ends_spaces_order_and_unknown_keys_stay() {
    let text = "\u{feff}; own\r\n[Main]\r\n  mode=0  \r\nodd = 1\r\n\r\n[Shop]\r\nx=y";
    assert_eq!(
        edited(
            text,
            &["Main.mode=1", "Main.timeout=20", "Display.device=none"]
        ),
        "\u{feff}; own\r\n[Main]\r\n  mode=1\r\nodd = 1\r\ntimeout = 20\r\n\r\n[Shop]\r\nx=y\r\n\r\n[Display]\r\ndevice = none\r\n"
    );
    assert_eq!(
        edited("\u{feff}[Main]\n", &["Main.mode=1"]),
        "\u{feff}[Main]\nmode = 1\n"
    );
    assert_eq!(
        edited("[Main]\nmode =\n", &["Main.mode=1"]),
        "[Main]\nmode = 1\n"
    );
    assert_eq!(edited("", &["Main.mode=1"]), "[Main]\nmode = 1\n");
}

/// Settings of an old till, in Russian of Windows.
#[test]
fn comments_in_another_coding_stay_byte_for_byte() {
    let text = b"; \xc0\xe4\xf0\xe5\xf1 \x98\r\n[Main]\r\n#\xff\xfe\r\n;mode = 1 \xd0\r\nurl = http://h\r\n; \xea\xee\xed\xe5\xf6";
    let expected = b"; \xc0\xe4\xf0\xe5\xf1 \x98\r\n[Main]\r\n#\xff\xfe\r\n;mode = 1 \xd0\r\nmode = 2\r\nurl = http://g\r\n; \xea\xee\xed\xe5\xf6\r\n\r\n[Display]\r\ndevice = none\r\n";
    let changes = ["Main.url=http://g", "Main.mode=2", "Display.device=none"];
    assert_eq!(edited_bytes(text, &changes), expected);
    let (root, path) = root_with(Some(text));
    edit(root.path(), &changes.map(change), false).unwrap();
    assert_eq!(fs::read(&path).unwrap(), expected);
    fs::write(&path, b"[Main]\n; \xc0\nurl = http://h/\xc0\n").unwrap();
    let error = set(&root, "Main.mode=1").unwrap_err();
    assert_has(&error.to_string(), ["oplati.conf:3: not UTF-8"]);
}

#[test]
fn of_doubled_lines_the_one_that_wins_is_changed() {
    let text = "[Main]\nmode = 0\nmode = 1\n";
    assert_eq!(
        edited(text, &["Main.mode=2"]),
        "[Main]\nmode = 0\nmode = 2\n"
    );
    assert_eq!(edited(text, &["Main.mode="]), "[Main]\nmode = 0\nmode = \n");
}

#[test]
fn a_name_or_a_value_of_two_lines_is_refused_without_the_value() {
    for bad in [
        "Main.pasword=hunter2",
        "hunter2",
        "Other.mode=hunter2",
        "Main.password=a\nhunter2",
    ] {
        let error = bad.parse::<Change>().unwrap_err().to_string();
        assert!(!error.contains("=hunter2"), "{error}");
        assert_has(&error, ["allowed"]);
    }
    assert!(!format!("{:?}", change("Main.password=hunter2")).contains("hunter2"));
}

fn root_with(text: Option<&[u8]>) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = Paths::below(root.path()).config();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if let Some(text) = text {
        fs::write(&path, text).unwrap();
    }
    (root, path)
}

/// Changes this one setting.
fn set(root: &tempfile::TempDir, one: &str) -> Result<Edited, EditError> {
    edit(root.path(), &[change(one)], false)
}

#[test]
fn a_bad_value_is_named_and_nothing_is_written() {
    let (root, path) = root_with(Some(b"[Main]\nmode = 0\n"));
    let error = edit(
        root.path(),
        &[change("Main.mode=1"), change("Main.timeout=0")],
        false,
    )
    .unwrap_err();
    assert_has(
        &error.to_string(),
        ["[Main] timeout = 0: allowed: a whole number from 1 to 300"],
    );
    let error = set(&root, "Main.password=слово").unwrap_err();
    assert!(!error.to_string().contains("слово"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), b"[Main]\nmode = 0\n");
}

#[test]
fn another_settings_bad_value_is_in_nobodys_way() {
    let (root, path) = root_with(Some(b"[Main]\ntimeout = soon\n"));
    assert_eq!(set(&root, "Main.mode=1").unwrap(), Edited::Changed);
    assert_eq!(
        fs::read(&path).unwrap(),
        b"[Main]\ntimeout = soon\nmode = 1\n"
    );
}

#[test]
fn rights_of_the_old_file_and_links_stay_and_nothing_is_left_over() {
    let (root, path) = root_with(None);
    let real = root.path().join("real.conf");
    fs::write(&real, b"[Main]\n").unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o604)).unwrap();
    std::os::unix::fs::symlink(&real, &path).unwrap();
    assert_eq!(
        edit(root.path(), &[change("Main.mode=1")], true).unwrap(),
        Edited::Changed
    );
    assert_eq!(fs::read(&real).unwrap(), b"[Main]\n", "only tried");
    set(&root, "Main.mode=1").unwrap();
    assert_eq!(fs::read(&real).unwrap(), b"[Main]\nmode = 1\n");
    assert_eq!(fs::metadata(&real).unwrap().mode() & 0o777, 0o604);
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    let inode = fs::metadata(&real).unwrap().ino();
    assert_eq!(set(&root, "Main.mode=1").unwrap(), Edited::Unchanged);
    assert_eq!(fs::metadata(&real).unwrap().ino(), inode);
    assert_eq!(
        fs::read_dir(root.path()).unwrap().count(),
        2,
        "no leftovers"
    );
}

/// The settings folder is the daemon's: it must not lead root, who edits, to other files. Only root can make links of
/// others, so that the rest of it is tests/package's.
#[test]
fn a_link_of_another_user_is_not_followed() {
    let (root, path) = root_with(None);
    let secret = root.path().join("secret");
    fs::write(&secret, b"; secret\n").unwrap();
    let between = root.path().join("between");
    std::os::unix::fs::symlink(&secret, &between).unwrap();
    std::os::unix::fs::symlink("../../../../between", &path).unwrap();
    edit(root.path(), &[change("Main.mode=1")], true).unwrap();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    std::os::unix::fs::lchown(&between, Some(4242), None).unwrap();
    for try_only in [true, false] {
        let error = edit(root.path(), &[change("Main.mode=1")], try_only).unwrap_err();
        assert!(
            matches!(error, EditError::ForeignLink { owner: 4242, .. }),
            "{error}"
        );
    }
    assert_eq!(fs::read(&secret).unwrap(), b"; secret\n");
    assert!(fs::symlink_metadata(&between).unwrap().is_symlink());
}

#[test]
fn without_a_file_the_example_is_begun_with() {
    let (root, path) = root_with(None);
    assert_eq!(edit(root.path(), &[], false).unwrap(), Edited::Changed);
    assert_eq!(fs::read_to_string(&path).unwrap(), EXAMPLE);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, MODE);
}

proptest! {
    #[test]
    fn in_any_text_the_setting_holds_and_the_rest_stays(
        start in "(\u{feff})?",
        pieces in prop::collection::vec(prop::sample::select(vec![
            &b"[Main]"[..], b"[Till]", b"mode = 1", b";mode = 0", b"mode=", b"x = y", b"\n", b"\r\n", b" ", b"=", b"\n;\xc0\xff", b"#\xd0\n",
        ]), 0..30),
        mode in 0..3u8,
    ) {
        let text = [start.into_bytes(), pieces.concat()].concat();
        prop_assume!(text_of(&text, Path::new("")).is_ok());
        let after = with(&text, &change(&format!("Main.mode={mode}")));
        let entries = |bytes: &[u8]| ini::parse(&text_of(bytes, Path::new("")).unwrap()).0;
        let value = |bytes: &[u8]| {
            let entry = entries(bytes).into_iter().rev().find(|e| e.section == "Main" && e.key == "mode");
            entry.map(|e| e.value).filter(|v| !v.is_empty()).unwrap_or_else(|| "0".to_owned())
        };
        prop_assert_eq!(value(&after), mode.to_string());
        let others = |bytes: &[u8]| {
            entries(bytes).into_iter().filter(|e| e.section != "Main" || e.key != "mode")
                .map(|e| (e.section, e.key, e.value)).collect::<Vec<_>>()
        };
        prop_assert_eq!(others(&after), others(&text));
        let comments = |bytes: &[u8]| {
            bytes.split(|byte| *byte == b'\n').filter(|line| std::str::from_utf8(line).is_err())
                .map(|line| line.trim_ascii_end().to_owned()).collect::<Vec<_>>()
        };
        prop_assert_eq!(comments(&after), comments(&text));
        prop_assert_eq!(with(&after, &change(&format!("Main.mode={mode}"))), after);
    }
}

#[test]
fn a_line_below_a_broken_head_is_no_other_sections() {
    let before = "[Scanner]\ndevice = auto\n[Display] ; buyer\ndevice = drm:HDMI-A-1\n";
    assert_eq!(
        edited(before, &["Scanner.device=none"]),
        "[Scanner]\ndevice = none\n[Display] ; buyer\ndevice = drm:HDMI-A-1\n"
    );
    assert_eq!(
        edited(before, &["Scanner.share=yes"]),
        "[Scanner]\ndevice = auto\nshare = yes\n[Display] ; buyer\ndevice = drm:HDMI-A-1\n"
    );
}

#[test]
fn with_a_secret_in_it_the_file_is_nobody_elses_to_read() {
    let (root, path) = root_with(Some(b"[Main]\n"));
    let mode = || fs::metadata(&path).unwrap().mode() & 0o777;
    let open = || fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let edited = |text: &str| edit(root.path(), &[change(text)], false).unwrap();
    open();
    assert_eq!(edited("Main.mode=1"), Edited::Changed);
    assert_eq!(mode(), 0o644, "no secret");
    assert_eq!(edited("Main.password=hunter2"), Edited::Closed);
    assert_eq!(mode(), 0o640);
    assert_eq!(edited("Main.password=hunter3"), Edited::Changed);
    open();
    // Whoever gives the same one again has it closed as well.
    assert_eq!(edited("Main.password=hunter3"), Edited::Closed);
    assert_eq!(mode(), 0o640);
    assert_eq!(edited("Main.password=hunter3"), Edited::Unchanged);
}

#[test]
fn of_many_that_change_the_file_at_once_none_is_lost() {
    let (root, path) = root_with(Some(b"[Main]\n"));
    let changes = [
        "Main.mode=1",
        "Main.timeout=20",
        "Main.settle=20",
        "Main.journalDays=20",
        "Main.pollPayment=20",
        "Main.valutcode=20",
        "Display.device=none",
        "Scanner.device=none",
    ];
    std::thread::scope(|scope| {
        for one in changes {
            let root = root.path();
            scope.spawn(move || edit(root, &[change(one)], false).unwrap());
        }
    });
    let text = fs::read_to_string(&path).unwrap();
    for one in changes {
        let (_, line) = one.split_once('.').unwrap();
        assert!(text.contains(&line.replace('=', " = ")), "{one}: {text}");
    }
}

#[test]
fn who_holds_the_file_for_long_is_not_waited_for_without_end() {
    let (root, path) = root_with(Some(b"[Main]\n"));
    let folder = path.parent().unwrap();
    let held = lock(folder, Duration::ZERO).unwrap();
    assert!(held.is_some());
    assert!(lock(folder, Duration::ZERO).unwrap().is_none());
    // Who only tries changes nothing, and needs nobody's leave.
    edit(root.path(), &[change("Main.mode=1")], true).unwrap();
    drop(held);
    assert!(lock(folder, Duration::ZERO).unwrap().is_some());
}
