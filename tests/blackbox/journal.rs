//! What becomes of payments when the journal cannot be trusted.

use serde_json::json;

use crate::bench::{Sim, Till, wait_for};

const JOURNAL: &str = "linuxcash/cash/paysystems/oplati/journal.sqlite3";

#[test]
fn a_damaged_journal_is_kept_aside_and_no_payment_is_taken_until_a_person_decides() {
    let sim = Sim::start(Some("join=10ms,confirm=10ms,outcome=done"));
    let mut till = Till::started(&sim.url, 2, "");
    till.begin("s-1", 100);
    till.until_final("s-1");
    till.daemon().signal(rustix::process::Signal::TERM);
    assert_eq!(till.daemon().exit_code(), Some(0));
    let good = std::fs::read(till.path(JOURNAL)).unwrap();
    let mut bad = good.clone();
    for byte in bad.iter_mut().skip(4096).take(20_000) {
        *byte = 0x5a;
    }
    std::fs::write(till.path(JOURNAL), &bad).unwrap();
    // As often as it is started.
    for _ in 0..2 {
        till.start();
        let (_, health) = till.ask("GET", "/v1/health", json!(null));
        assert_eq!(
            (&health["status"], &health["journal"]["ok"]),
            (&json!("blocked"), &json!(false))
        );
        let reason = health["reasons"][0].as_str().unwrap();
        assert!(reason.contains("journal.damaged"), "{health}");
        let (status, problem) = till.begin("s-2", 100);
        assert_eq!((status, problem["code"].as_str()), (507, Some("storage")));
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("повреждён"), "{problem}");
        assert_eq!(till.ask("GET", "/v1/operations/s-1", json!(null)).0, 507);
        assert!(!till.path(JOURNAL).exists());
        till.kill();
    }
    let aside = till.path("linuxcash/cash/paysystems/oplati/journal.damaged");
    let kept: Vec<_> = std::fs::read_dir(&aside)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(kept.len(), 1);
    let file = std::fs::read(kept[0].join("journal.sqlite3")).unwrap();
    assert_eq!(file, bad, "not a byte was changed");
    assert!(
        till.log()
            .contains("The journal is damaged and is put aside")
    );
    // A good copy is put back: the running daemon notices, and ends to be started anew.
    till.start();
    std::fs::write(till.path(JOURNAL), &good).unwrap();
    assert_ne!(till.daemon().exit_code(), Some(0));
    till.start();
    assert_eq!(till.operation("s-1")["state"], "done");
    assert_eq!(till.begin("s-2", 100).0, 201);
}

#[test]
fn a_journal_that_cannot_be_opened_refuses_payments_and_says_so() {
    let sim = Sim::start(None);
    let mut till = Till::new(&sim.url, 2, "");
    std::fs::create_dir_all(till.path(JOURNAL)).unwrap();
    till.start();
    let (_, health) = till.ask("GET", "/v1/health", json!(null));
    assert_eq!(health["status"], "blocked");
    let (status, problem) = till.begin("s-1", 100);
    assert_eq!((status, problem["code"].as_str()), (507, Some("storage")));
    std::fs::remove_dir(till.path(JOURNAL)).unwrap();
    assert_ne!(till.daemon().exit_code(), Some(0));
    till.start();
    wait_for("payments", || {
        (till.begin("s-1", 100).0 == 201).then_some(())
    });
}
