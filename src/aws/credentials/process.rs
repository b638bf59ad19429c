//! The `credential_process` of a profile: a program that prints credentials.
//!
//! Another part of this process may reap the child: gevent's SIGCHLD handler, which gevent's `subprocess` and Locust's
//! `--processes` install, reaps all children. The exit status is then unknown, and the output decides.

use std::collections::HashMap;
use std::io::{self, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_smithy_types::date_time::{DateTime, Format};
use serde::Deserialize;
use tokio::sync::{Mutex, oneshot};
use tokio::time::{sleep, timeout};

use super::cache::Loaded;
use super::failure::CredentialsFailure;

/// Timeout of the program. Some programs wait until the user confirms in a browser or on a phone.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(90);
/// The pause before a failed program is started again.
const FAILURE_PAUSE: Duration = Duration::from_secs(15);
/// Timeout for the program to exit after it has closed its output.
const EXIT_TIMEOUT: Duration = Duration::from_secs(5);
/// The interval of checks whether it has exited.
const EXIT_PAUSE: Duration = Duration::from_millis(10);
/// Most characters of its error output in a message.
const MAX_ERROR_CHARS: usize = 300;
/// The only version of the output format.
const FORMAT_VERSION: u32 = 1;

/// The program of a profile.
#[derive(Debug)]
pub(super) struct CredentialProcess {
    command: String,
    profile: String,
    timeout: Duration,
}

/// The result of the program.
#[derive(Debug)]
struct Ended {
    /// `None` if another part of this process has reaped the child.
    status: Option<ExitStatus>,
    output: Vec<u8>,
    errors: Vec<u8>,
}

/// The output of the program.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    expiration: Option<String>,
}

/// The last attempt with a program.
#[derive(Debug)]
struct Attempt {
    ended: Instant,
    loaded: Loaded,
}

/// The last attempts, by profile and command.
type Attempts = HashMap<(String, String), Attempt>;
type Gate = Arc<Mutex<Attempts>>;

/// Lets only one program run at a time in this process, because it may open a browser, or ask for a code that is valid once. A
/// forked child has its own gate, because the parent's may be locked.
fn gate() -> Gate {
    static GATE: std::sync::Mutex<Option<(u32, Gate)>> = std::sync::Mutex::new(None);
    let mut gate = GATE.lock().unwrap_or_else(PoisonError::into_inner);
    let pid = std::process::id();
    match gate.as_ref().filter(|(owner, _)| *owner == pid) {
        Some((_, mine)) => Arc::clone(mine),
        None => Arc::clone(&gate.insert((pid, Arc::default())).1),
    }
}

impl CredentialProcess {
    pub(super) const fn new(command: String, profile: String) -> Self {
        Self { command, profile, timeout: PROCESS_TIMEOUT }
    }

    /// Runs the program. Returns the result of an earlier attempt if this one has waited for it, or if it has just failed.
    ///
    /// # Errors
    /// If the program cannot be started, fails, takes too long, or does not print credentials.
    pub(super) async fn run(&self) -> Loaded {
        let (asked, gate) = (Instant::now(), gate());
        let mut attempts = gate.lock().await;
        let key = (self.profile.clone(), self.command.clone());
        let is_recent =
            |last: &&Attempt| last.ended >= asked || (last.loaded.is_err() && last.ended.elapsed() < FAILURE_PAUSE);
        if let Some(last) = attempts.get(&key).filter(is_recent) {
            return last.loaded.clone();
        }
        let loaded = self.run_now().await;
        attempts.insert(key, Attempt { ended: Instant::now(), loaded: loaded.clone() });
        loaded
    }

    async fn run_now(&self) -> Loaded {
        let mut child = self.start().map_err(|error| self.failed(&format!("it could not be started: {error}")))?;
        let ended = match timeout(self.timeout, read(&mut child)).await {
            Ok(Ok((output, errors))) => Ended { status: status_of(&mut child).await, output, errors },
            Ok(Err(error)) => return Err(self.failed(&format!("its output could not be read: {error}"))),
            Err(_) => {
                stop(child);
                return Err(self.failed(&format!("it did not finish within {} s", self.timeout.as_secs())));
            }
        };
        self.judge(&ended)
    }

    fn start(&self) -> io::Result<Child> {
        let mut shell = shell(&self.command);
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
    }

    fn judge(&self, ended: &Ended) -> Loaded {
        let said = last_line(&ended.errors);
        let said = if said.is_empty() { String::new() } else { format!("; error output: {said}") };
        if let Some(status) = ended.status.filter(|status| !status.success()) {
            return Err(self.failed(&format!("it failed with {status}{said}")));
        }
        let output: Output = serde_json::from_slice(&ended.output).map_err(|error| {
            // The values are secrets, so the message only has the position of the error.
            let place = if error.is_data() { error.to_string() } else { "not valid JSON".to_owned() };
            let what = if ended.output.trim_ascii().is_empty() { "it printed nothing" } else { "" };
            let what =
                if what.is_empty() { format!("its output has no credentials ({place})") } else { what.to_owned() };
            self.failed(&format!("{what}{said}"))
        })?;
        if output.version != FORMAT_VERSION {
            return Err(self.failed(&format!("its output has Version {}, not {FORMAT_VERSION}", output.version)));
        }
        let expiry = output.expiration.map(|text| self.expiry(&text)).transpose()?;
        let Output { access_key_id, secret_access_key, session_token, .. } = output;
        Ok(Credentials::new(access_key_id, secret_access_key, session_token, expiry, "CredentialProcess"))
    }

    fn expiry(&self, text: &str) -> Result<SystemTime, CredentialsFailure> {
        let parsed = DateTime::from_str(text, Format::DateTimeWithOffset).ok();
        let Some(expiry) = parsed.and_then(|time| SystemTime::try_from(time).ok()) else {
            return Err(self.failed("its Expiration is not an ISO 8601 timestamp"));
        };
        if expiry <= SystemTime::now() {
            return Err(self.failed(&format!("its credentials expired at {text}")));
        }
        Ok(expiry)
    }

    fn failed(&self, why: &str) -> CredentialsFailure {
        let profile = &self.profile;
        CredentialsFailure::unusable(format!(
            "the credential_process of profile {profile} returned no credentials: {why}. Run the command by hand, or \
             'aws sts get-caller-identity --profile {profile}'"
        ))
    }
}

#[cfg(not(windows))]
fn shell(command: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]);
    shell
}

#[cfg(windows)]
fn shell(command: &str) -> Command {
    use std::os::windows::process::CommandExt as _;
    let mut shell = Command::new("cmd.exe");
    // cmd.exe removes one pair of quotation marks, and does not support escaped arguments.
    shell.arg("/C").raw_arg(format!("\"{command}\""));
    shell
}

/// Reads the output of a child, in threads, because not every system supports asynchronous pipes.
async fn read(child: &mut Child) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let (output, errors) = (child.stdout.take(), child.stderr.take());
    let (output, errors) = (in_thread(output)?, in_thread(errors)?);
    // A thread that has panicked has no result.
    Ok((output.await.unwrap_or_default(), errors.await.unwrap_or_default()))
}

fn in_thread(pipe: Option<impl Read + Send + 'static>) -> io::Result<oneshot::Receiver<Vec<u8>>> {
    let (done, read) = oneshot::channel();
    std::thread::Builder::new().name("locust-cw-login".to_owned()).spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error may be complete.
            let _ = pipe.read_to_end(&mut bytes);
        }
        // After a timeout, there is no receiver.
        let _ = done.send(bytes);
    })?;
    Ok(read)
}

/// The status of a child that has closed its output.
async fn status_of(child: &mut Child) -> Option<ExitStatus> {
    let ended = async {
        loop {
            match child.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) => sleep(EXIT_PAUSE).await,
                // Another part of this process has reaped it (ECHILD).
                Err(_) => return None,
            }
        }
    };
    timeout(EXIT_TIMEOUT, ended).await.ok().flatten()
}

/// Kills a child, unless it has been reaped: its ID may belong to another process then.
fn stop(mut child: Child) {
    if matches!(child.try_wait(), Ok(None)) {
        // Best effort: the child may exit at this moment.
        let _ = child.kill();
        tokio::spawn(async move { status_of(&mut child).await });
    }
}

/// The last line of an error output, in which tools usually print the reason.
fn last_line(errors: &[u8]) -> String {
    let text = String::from_utf8_lossy(errors);
    let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let cut: String = line.chars().filter(|c| !c.is_control()).take(MAX_ERROR_CHARS).collect();
    cut.trim_end_matches('.').to_owned()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const KEYS: &str = r#"{"Version": 1, "AccessKeyId": "AKIA", "SecretAccessKey": "very-secret"}"#;

    fn run(command: &str, timeout: Duration) -> Loaded {
        let process = CredentialProcess { timeout, ..CredentialProcess::new(command.to_owned(), "corp".to_owned()) };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        runtime.expect("a runtime").block_on(process.run())
    }

    fn output(output: &str) -> Loaded {
        run(&format!("echo '{output}'"), PROCESS_TIMEOUT)
    }

    #[test]
    fn credentials_are_read() {
        let keys = output(KEYS).expect("credentials");
        assert_eq!((keys.access_key_id(), keys.session_token(), keys.expiry()), ("AKIA", None, None));
        let renewed = KEYS.replace('}', r#", "SessionToken": "t", "Expiration": "2099-01-02T03:04:05+01:00", "X": 1}"#);
        let keys = output(&renewed).expect("credentials");
        assert_eq!(keys.session_token(), Some("t"));
        let expiry = keys.expiry().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok()).expect("a time");
        assert_eq!(expiry.as_secs(), 4_071_002_645);
    }

    #[test]
    fn an_error_names_the_reason_and_no_secret() {
        for (command, part) in [
            ("echo oops >&2; echo 'log in first.' >&2; exit 3", "exit status: 3; error output: log in first. Run"),
            ("true", "it printed nothing"),
            ("echo not-json-but-very-secret", "not valid JSON"),
            (r#"echo '{"Version": 1, "SecretAccessKey": "very-secret"}'"#, "missing field `AccessKeyId`"),
            (&format!("echo '{}'", KEYS.replace('1', "2")), "Version 2, not 1"),
            (&format!("echo '{}'", KEYS.replace('}', r#", "Expiration": "soon"}"#)), "ISO 8601"),
            (&format!("echo '{}'", KEYS.replace('}', r#", "Expiration": "2020-01-01T00:00:00Z"}"#)), "expired at 2020"),
        ] {
            let failure = run(command, PROCESS_TIMEOUT).expect_err(command);
            assert!(failure.message.contains(part), "{failure}");
            assert!(failure.message.contains("the credential_process of profile corp"), "{failure}");
            assert!(!failure.message.contains("very-secret"), "{failure}");
        }
    }

    #[test]
    fn one_program_runs_at_a_time_and_waiting_callers_share_its_result() {
        let folder = tempfile::tempdir().expect("a folder");
        let starts = folder.path().join("starts");
        let starts = starts.display();
        let slow = format!("echo x >> {starts}; sleep 0.3; echo '{KEYS}'");
        let failing = format!("echo y >> {starts}; exit 1");
        let process = |command: &str| CredentialProcess::new(command.to_owned(), "shared".to_owned());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (one, two, other) = (process(&slow), process(&slow), process(&failing));
            let (one, two) = tokio::join!(one.run(), two.run());
            assert_eq!((one.is_ok(), two.is_ok()), (true, true));
            assert!(process(&slow).run().await.is_ok(), "it runs anew");
            assert!(other.run().await.is_err() && other.run().await.is_err(), "a failure is kept for a while");
        });
        let started = std::fs::read_to_string(folder.path().join("starts")).expect("started");
        assert_eq!(started.lines().collect::<String>(), "xxy");
    }

    #[test]
    fn a_program_that_does_not_end_is_stopped() {
        let begun = Instant::now();
        let failure = run("exec sleep 100", Duration::from_secs(1)).expect_err("too long");
        assert!(failure.message.contains("it did not finish within 1 s"), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn without_a_status_the_output_decides() {
        let process = CredentialProcess::new(String::new(), "corp".to_owned());
        let ended = |output: &str| Ended { status: None, output: output.into(), errors: b"no luck\n".to_vec() };
        assert_eq!(process.judge(&ended(KEYS)).expect("credentials").access_key_id(), "AKIA");
        let failure = process.judge(&ended("")).expect_err("nothing");
        assert!(failure.message.contains("it printed nothing; error output: no luck"), "{failure}");
    }
}
