//! A till's folder, a simulated service and a daemon, each a process of its own.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};

pub const PATIENCE: Duration = Duration::from_secs(30);

/// A user whom no machine has.
pub const NOBODYS_ID: u32 = 64_321;

/// The program.
pub fn oplati() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oplati"));
    command
        .env_remove("OPLATI_LOG")
        .env_remove("NOTIFY_SOCKET")
        .env("LC_ALL", "ru_RU.UTF-8");
    command
}

/// Waits for a condition.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "{what} never came");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits until something is so.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// That a text has each of these parts.
#[track_caller]
pub fn assert_has<const N: usize>(text: &str, parts: [&str; N]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

/// That an object has these fields, whatever others it has; what is null may be absent.
#[track_caller]
pub fn assert_holds(actual: &Value, fields: Value) {
    fn holds(actual: &Value, expected: &Value) -> bool {
        match expected.as_object() {
            Some(fields) => fields.iter().all(|(key, field)| holds(&actual[key], field)),
            None => actual == expected,
        }
    }
    assert!(holds(actual, &fields), "{fields} is not in {actual:#}");
}

/// The problem document of a request that is refused with this status and code.
#[track_caller]
pub fn refused((status, problem): (u16, Value), expected: u16, code: &str) -> Value {
    assert_eq!(
        (status, &problem["code"]),
        (expected, &json!(code)),
        "{problem}"
    );
    problem
}

/// A pseudo-terminal as a serial port is: its other end, its node, and what keeps it open.
pub fn serial_port() -> (File, String, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = openpt(flags).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let node = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let slave = File::options().read(true).write(true).open(&node).unwrap();
    let mut modes = rustix::termios::tcgetattr(&slave).unwrap();
    modes.make_raw();
    rustix::termios::tcsetattr(&slave, rustix::termios::OptionalActions::Now, &modes).unwrap();
    (File::from(master), node, slave)
}

/// A process that ends with the test.
pub struct Process(pub Child);

impl Process {
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }

    /// SIGTERM or SIGINT.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.0)
    }

    pub fn exit_code(&mut self) -> Option<i32> {
        wait_for("the end of a process", || self.0.try_wait().unwrap()).code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The simulated service.
pub struct Sim {
    _process: Process,
    pub url: String,
    /// A till that forgets what it has asked, since it is killed and started anew, may ask too soon once.
    forgets: AtomicBool,
}

/// No test ends well whose till has asked more often than the service allows.
impl Drop for Sim {
    fn drop(&mut self) {
        if std::thread::panicking() || self.forgets.load(Ordering::Relaxed) {
            return;
        }
        assert_eq!(self.violations(), Vec::<Value>::new(), "asked too soon");
    }
}

impl Sim {
    /// The service as it was recorded, but for the pauses between two questions: as short as those of
    /// [`Till::new`].
    pub fn start(buyer: Option<&str>) -> Sim {
        Sim::start_with(buyer, &[])
    }

    /// With more options of `oplati sim`.
    pub fn start_with(buyer: Option<&str>, options: &[&str]) -> Sim {
        let mut command = oplati();
        command
            .args(["sim", "--listen", "127.0.0.1:0"])
            .args(["--poll-payment", "1s", "--poll-session", "1s"])
            .args(options)
            .stdout(Stdio::piped());
        if let Some(buyer) = buyer {
            command.args(["--buyer", buyer]);
        }
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let url = line
            .trim()
            .strip_prefix("listening on ")
            .unwrap()
            .to_owned();
        Sim {
            _process: Process(child),
            url,
            forgets: AtomicBool::new(false),
        }
    }

    pub fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let address = self.url.strip_prefix("http://").unwrap();
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let body = if method == "GET" {
            String::new()
        } else {
            body.to_string()
        };
        talk(&mut stream, method, path, &body).1
    }

    /// What the buyer does next, as far as the simulated one leaves it to the test.
    pub fn join(&self) {
        self.control("POST", "/sim/buyer/join", json!({}));
    }

    pub fn confirm(&self) {
        self.control("POST", "/sim/buyer/confirm", json!({}));
    }

    pub fn decline(&self) {
        self.control("POST", "/sim/buyer/decline", json!({}));
    }

    pub fn clear_faults(&self) {
        self.control("DELETE", "/sim/faults", json!({}));
    }

    pub fn state(&self) -> Value {
        self.control("GET", "/sim/state", json!(null))
    }

    /// A sale that is paid in this till's name, past its daemon; roubles as the wire writes them.
    pub fn pay_by_hand(&self, till: &Till, order_number: &str, shift: &str, roubles: &str) {
        self.ask_to_pay_by_hand(till, order_number, shift, roubles);
        self.confirm();
    }

    /// The same, but nobody confirms it.
    pub fn ask_to_pay_by_hand(&self, till: &Till, order_number: &str, shift: &str, roubles: &str) {
        let token = till.path("linuxcash/cash/paysystems/oplati/token.conf");
        let token = std::fs::read_to_string(token).unwrap();
        let send = |path: &str, body: &str| {
            let mut stream =
                std::net::TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
            let head = format!(
                "POST /ms-pay/pos/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nregNum: OPL000011111\r\ntoken: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                token.trim(),
                body.len()
            );
            write!(stream, "{head}{body}").unwrap();
            stream
        };
        let mut answer = String::new();
        let mut opened = send("demandPayment", r#"{"paymentMode": 3}"#);
        opened.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
        let session = serde_json::from_str::<Value>(body).unwrap()["sessionId"].to_string();
        self.control("POST", "/sim/buyer/join", json!({"session": session}));
        let body = format!(
            r#"{{"sum": {roubles}, "orderNumber": "{order_number}", "sessionId": {session}, "shift": "{shift}", "details": {{"items": [{{"type": 1, "name": "x", "cost": {roubles}}}], "amountTotal": {roubles}}}}}"#
        );
        // Its answer is held until somebody decides.
        let _held = send("payments", &body);
        let waits = |row: &Value| row["orderNumber"] == order_number && row["status"] == json!(0);
        wait_until("the payment by hand", || self.payments().iter().any(waits));
    }

    /// Changes how the service behaves while it runs.
    pub fn change(&self, rules: Value) {
        let changed = self.control("POST", "/sim/service", rules);
        assert!(changed["answer"].is_string(), "{changed}");
    }

    /// The till of this test is killed and started anew: a restart may forget one pause.
    pub fn allow_one_early_question(&self) {
        self.forgets.store(true, Ordering::Relaxed);
    }

    /// Questions that came closer than the service allows.
    pub fn violations(&self) -> Vec<Value> {
        self.state()["violations"].as_array().unwrap().clone()
    }

    pub fn fault(&self, fault: Value) {
        assert_eq!(
            self.control("POST", "/sim/faults", json!({"plan": [fault]})),
            json!({})
        );
    }

    /// Kopecks that buyers have paid and not got back.
    pub fn balance(&self) -> i64 {
        self.control("GET", "/sim/ledger", json!(null))["balance"]
            .as_i64()
            .unwrap()
    }

    pub fn payments(&self) -> Vec<Value> {
        self.control("GET", "/sim/ledger", json!(null))["payments"]
            .as_array()
            .unwrap()
            .clone()
    }
}

/// Sends one request and reads one whole answer.
pub fn talk(
    stream: &mut (impl std::io::Read + std::io::Write),
    method: &str,
    path: &str,
    body: &str,
) -> (u16, Value) {
    try_talk(stream, method, path, body).unwrap()
}

/// The same; `None` when there is no whole answer.
fn try_talk(
    stream: &mut (impl std::io::Read + std::io::Write),
    method: &str,
    path: &str,
    body: &str,
) -> Option<(u16, Value)> {
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some((status, serde_json::from_str(body).unwrap_or_default()))
}

/// A till.
pub struct Till {
    pub folder: tempfile::TempDir,
    daemon: Option<Process>,
}

impl Till {
    /// Short times, so that tests of long waits are short.
    pub fn new(url: &str, mode: u8, more: &str) -> Till {
        let main = format!(
            "[Main]\nurl = {url}\nregNum = OPL000011111\nmode = {mode}\ntimeout = 2\nsettle = 1\nwaitBuyer = 20\npollPayment = 1\npollSession = 1\n"
        );
        Till::configured(&format!("{main}{more}\n"))
    }

    /// With all of oplati.conf.
    pub fn configured(text: &str) -> Till {
        let folder = tempfile::tempdir().unwrap();
        let till = Till {
            folder,
            daemon: None,
        };
        let conf = till.path("linuxcash/cash/paysystems/oplati/oplati.conf");
        std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
        std::fs::write(conf, text).unwrap();
        till
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    pub fn verb(&self, verb: &[&str]) -> Command {
        let mut command = oplati();
        command
            .arg("--root")
            .arg(self.folder.path())
            .args(verb)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs a verb to its end: its exit code, its result and its remarks.
    pub fn run(&self, verb: &[&str]) -> (i32, String, String) {
        let output = self.verb(verb).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code().unwrap(),
            text(&output.stdout),
            text(&output.stderr),
        )
    }

    /// The checks of `oplati selftest --json`.
    pub fn checks(&self) -> Vec<Value> {
        let (_, report, _) = self.run(&["selftest", "--json"]);
        let report: Value = serde_json::from_str(&report).unwrap();
        report["checks"].as_array().unwrap().clone()
    }

    pub fn start(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.path("stderr"))
            .unwrap();
        let child = self
            .verb(&["daemon"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.adopt(child);
    }

    /// Starts the daemon as an ordinary user: root may do what others may not, and is never out of processes.
    pub fn start_without_root(&mut self) {
        let mut daemon = self.verb(&["daemon"]);
        if rustix::process::geteuid().is_root() {
            // The built program may lie where that user may not look.
            let program = self.path("oplati");
            if !program.exists() {
                std::fs::copy(daemon.get_program(), &program).unwrap();
                let owner = format!("{NOBODYS_ID}:{NOBODYS_ID}");
                let given = Command::new("chown")
                    .args(["-R", &owner])
                    .arg(self.path(""))
                    .status();
                assert!(given.unwrap().success());
            }
            let args: Vec<_> = daemon.get_args().map(ToOwned::to_owned).collect();
            daemon = Command::new(program);
            daemon.args(args).uid(NOBODYS_ID).gid(NOBODYS_ID);
        }
        let quiet = daemon
            .env_remove("NOTIFY_SOCKET")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.adopt(quiet.spawn().unwrap());
    }

    /// Takes a daemon that was started by hand.
    pub fn adopt(&mut self, child: Child) {
        self.daemon = Some(Process(child));
        wait_for("the daemon's health", || {
            self.try_ask("GET", "/v1/health", json!(null))
        });
    }

    pub fn started(url: &str, mode: u8, more: &str) -> Till {
        let mut till = Till::new(url, mode, more);
        till.start();
        till
    }

    /// With this scanner, such as `serial:/dev/ttyS0`.
    pub fn with_scanner(url: &str, mode: u8, device: &str) -> Till {
        Till::started(url, mode, &format!("[Scanner]\ndevice = {device}\n"))
    }

    pub fn daemon(&mut self) -> &mut Process {
        self.daemon.as_mut().unwrap()
    }

    /// Cuts the power.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// One call over the socket; `None` when nobody answers.
    pub fn try_ask(&self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let mut stream = UnixStream::connect(self.path("run/oplati/till.sock")).ok()?;
        try_talk(&mut stream, method, path, &body)
    }

    pub fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        self.try_ask(method, path, body).unwrap()
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, json!(null))
    }

    pub fn put(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("PUT", path, body)
    }

    pub fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.ask("POST", path, body)
    }

    pub fn health(&self) -> Value {
        self.get("/v1/health").1
    }

    pub fn begin(&self, id: &str, amount: i64) -> (u16, Value) {
        self.put(&format!("/v1/sales/{id}"), sale(id, amount))
    }

    pub fn abort(&self, id: &str) -> (u16, Value) {
        self.post(&format!("/v1/operations/{id}/abort"), json!({}))
    }

    pub fn operation(&self, id: &str) -> Value {
        self.get(&format!("/v1/operations/{id}")).1
    }

    pub fn until(&self, id: &str, states: &[&str]) -> Value {
        wait_for(&format!("{id} in {states:?}"), || {
            let operation = self.operation(id);
            states
                .contains(&operation["state"].as_str().unwrap_or_default())
                .then_some(operation)
        })
    }

    /// Begins a sale whose buyer comes and has yet to confirm.
    pub fn begin_joined(&self, sim: &Sim, id: &str, amount: i64) {
        self.begin(id, amount);
        self.until(id, &["awaiting_buyer"]);
        sim.join();
        self.until(id, &["awaiting_confirmation"]);
    }

    pub fn until_final(&self, id: &str) -> Value {
        self.until(
            id,
            &[
                "done",
                "declined",
                "not_enough_money",
                "expired",
                "cancelled",
                "failed",
            ],
        )
    }

    pub fn until_queue_is_empty(&self) {
        wait_until("an empty queue", || {
            self.get("/v1/queue").1["items"] == json!([])
        });
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("linuxcash/logs/current/terminal.log"))
            .unwrap_or_default()
    }
}

pub fn sale(receipt: &str, amount: i64) -> Value {
    json!({"amount": amount, "receipt": {"number": receipt, "items": [
        {"name": "Хлеб «Нарочанский»", "quantity": "1.000", "price": amount, "cost": amount, "kind": "goods"}]}})
}
