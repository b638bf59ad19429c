//! Credentials that all callers share. One task at a time loads them, and renews them before they expire.
//!
//! The task does not depend on a caller. A credential process that takes a minute is therefore not stopped by the timeout of
//! the call that needs it, and not started again by the next call.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, future};
use tokio::sync::watch;

use super::failure::CredentialsFailure;

/// Credentials are renewed at most this long before they expire. Calls do not wait for the renewal.
const RENEWAL_AHEAD: Duration = Duration::from_mins(5);
/// The same, as the divisor of their validity: some credentials are valid for minutes only.
const RENEWAL_SHARE: u32 = 4;
/// Credentials are not used in the last seconds before they expire, because a call needs some seconds to arrive.
const LAST_USE: Duration = Duration::from_secs(10);
/// The pause after a renewal that failed, while the old credentials are still valid.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);

/// The result of an attempt to load credentials.
pub(super) type Loaded = Result<Credentials, CredentialsFailure>;

/// Refuses credentials with a character that cannot be in a request, because the SDK panics when it signs with them. A line
/// break at the end is common, from a file or a secret of Kubernetes.
pub(super) fn usable(credentials: Credentials) -> Loaded {
    let parts = [
        ("AWS_ACCESS_KEY_ID", Some(credentials.access_key_id())),
        ("AWS_SECRET_ACCESS_KEY", Some(credentials.secret_access_key())),
        ("AWS_SESSION_TOKEN", credentials.session_token()),
    ];
    let is_wrong = |text: &str| !text.bytes().all(|byte| byte.is_ascii_graphic());
    let wrong = parts.into_iter().find(|(_, value)| value.is_some_and(is_wrong)).map(|(name, _)| name);
    match wrong {
        None => Ok(credentials),
        Some(name) => Err(CredentialsFailure::unusable(format!(
            "the value for {name} has a line break, a space or another character that is not allowed. Correct it in the \
             environment, in the profile, or in the program that prints the credentials"
        ))),
    }
}

/// A source of credentials.
pub(super) trait Load: fmt::Debug + Send + Sync + 'static {
    /// Loads them.
    fn load(&self) -> Pin<Box<dyn Future<Output = Loaded> + Send + '_>>;

    /// A name for what [`Self::load`] waits for at present, such as a program, if that may take long.
    fn waits_for(&self) -> Option<String> {
        None
    }
}

/// The credentials of one source. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::aws) struct CachedCredentials(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    source: Box<dyn Load>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Current>,
    /// The current attempt.
    attempt: Option<watch::Receiver<Option<Loaded>>>,
    /// The earliest time of the next renewal, after a failed one.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone)]
struct Current {
    credentials: Credentials,
    renew_at: Option<SystemTime>,
}

impl Current {
    fn new(credentials: Credentials, now: SystemTime) -> Self {
        // Credentials without an expiry are used until AWS refuses them.
        let renew_at = credentials.expiry().map(|expiry| {
            let valid = expiry.duration_since(now).unwrap_or_default();
            expiry - RENEWAL_AHEAD.min(valid / RENEWAL_SHARE)
        });
        Self { credentials, renew_at }
    }

    fn is_valid(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_none_or(|expiry| expiry > now + LAST_USE)
    }

    fn is_due(&self, now: SystemTime) -> bool {
        self.renew_at.is_some_and(|at| at <= now)
    }
}

impl CachedCredentials {
    pub(super) fn new(source: impl Load) -> Self {
        Self(Arc::new(Shared { source: Box::new(source), state: Mutex::default() }))
    }

    /// Returns the credentials. Waits until they are loaded if none are valid.
    ///
    /// # Errors
    /// If they cannot be loaded. All callers that wait for the same attempt get the same error.
    pub(in crate::aws) async fn get(&self) -> Loaded {
        let mut attempt = {
            let (mut state, now) = (self.0.state(), SystemTime::now());
            let valid = state.current.clone().filter(|current| current.is_valid(now));
            if let Some(current) = valid {
                if current.is_due(now) && state.not_before.is_none_or(|at| at <= Instant::now()) {
                    self.attempt(&mut state);
                }
                return Ok(current.credentials);
            }
            self.attempt(&mut state)
        };
        match attempt.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(loaded)) => loaded.clone(),
            _ => Err(CredentialsFailure::unusable("the credentials could not be loaded; please report this")),
        }
    }

    /// What the current attempt waits for; `None` if there is no attempt.
    pub(super) fn waits_for(&self) -> Option<String> {
        let state = self.0.state();
        state.attempt.as_ref().filter(|attempt| attempt.has_changed().is_ok())?;
        drop(state);
        Some(self.0.source.waits_for().unwrap_or_else(|| "the credentials provider".to_owned()))
    }

    /// The current attempt. Starts one if there is none.
    fn attempt(&self, state: &mut State) -> watch::Receiver<Option<Loaded>> {
        // The receiver has an error if the task has panicked.
        if let Some(attempt) = state.attempt.as_ref().filter(|attempt| attempt.has_changed().is_ok()) {
            return attempt.clone();
        }
        let (ended, attempt) = watch::channel(None);
        state.attempt = Some(attempt.clone());
        let shared = Arc::clone(&self.0);
        tokio::spawn(async move {
            let loaded = shared.source.load().await.and_then(usable);
            {
                let mut state = shared.state();
                state.attempt = None;
                match &loaded {
                    Ok(credentials) => {
                        state.current = Some(Current::new(credentials.clone(), SystemTime::now()));
                        state.not_before = None;
                    }
                    Err(_) => state.not_before = Some(Instant::now() + RENEWAL_PAUSE),
                }
            }
            ended.send_replace(Some(loaded));
        });
        attempt
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProvideCredentials for CachedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(async { self.get().await.map_err(CredentialsError::provider_error) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    use tokio::time::{sleep, timeout};

    use super::*;

    /// A slow source that counts its loads. If `fails`, every second load fails.
    #[derive(Debug)]
    struct Slow {
        loads: Arc<AtomicU32>,
        valid: Option<Duration>,
        fails: bool,
    }

    impl Load for Slow {
        fn load(&self) -> Pin<Box<dyn Future<Output = Loaded> + Send + '_>> {
            Box::pin(async {
                let number = self.loads.fetch_add(1, SeqCst) + 1;
                sleep(Duration::from_millis(50)).await;
                if self.fails && number.is_multiple_of(2) {
                    return Err(CredentialsFailure::missing("none"));
                }
                let expiry = self.valid.map(|valid| SystemTime::now() + valid);
                Ok(Credentials::new(number.to_string(), "secret", None, expiry, "test"))
            })
        }
    }

    fn slow(valid: Option<Duration>, fails: bool) -> (CachedCredentials, Arc<AtomicU32>) {
        let loads = Arc::<AtomicU32>::default();
        (CachedCredentials::new(Slow { loads: Arc::clone(&loads), valid, fails }), loads)
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.expect("a runtime").block_on(future)
    }

    fn key(loaded: &Loaded) -> &str {
        loaded.as_ref().expect("credentials").access_key_id()
    }

    #[test]
    fn credentials_that_cannot_be_in_a_request_are_refused() {
        let with = |key: &str, secret: &str, token: &str| {
            usable(Credentials::new(key, secret, Some(token.to_owned()), None, "test")).map_err(|error| error.message)
        };
        assert!(with("AKIA", "se/cr+et=", "to/ken==").is_ok());
        for (loaded, part) in [
            (with("AKIA\n", "secret", "token"), "AWS_ACCESS_KEY_ID"),
            (with("AKIA", " secret", "token"), "AWS_SECRET_ACCESS_KEY"),
            (with("AKIA", "secret", "t\u{f6}ken"), "AWS_SESSION_TOKEN"),
        ] {
            let message = loaded.expect_err("refused");
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn callers_share_one_attempt_which_continues_if_a_caller_gives_up() {
        run(async {
            let (cached, loads) = slow(None, false);
            assert!(timeout(Duration::from_millis(5), cached.get()).await.is_err());
            let clone = cached.clone();
            let (first, second) = tokio::join!(cached.get(), clone.get());
            assert_eq!((key(&first), key(&second), loads.load(SeqCst)), ("1", "1", 1));
            assert_eq!((key(&cached.get().await), loads.load(SeqCst)), ("1", 1), "they do not expire");
        });
    }

    #[test]
    fn credentials_are_renewed_while_the_old_ones_are_still_used() {
        run(async {
            let (cached, loads) = slow(Some(LAST_USE + Duration::from_millis(400)), true);
            // The renewal is due after three quarters of this time. The credentials are valid for the first 400 ms.
            cached.get().await.expect("credentials");
            let due = |cached: &CachedCredentials| {
                let mut state = cached.0.state();
                state.current.as_mut().expect("current").renew_at = Some(SystemTime::now());
                state.not_before = None;
            };
            due(&cached);
            assert_eq!(key(&cached.get().await), "1", "it does not wait for the renewal");
            sleep(Duration::from_millis(80)).await;
            assert_eq!((key(&cached.get().await), loads.load(SeqCst)), ("1", 2), "the renewal has failed, and pauses");
            due(&cached);
            cached.get().await.expect("credentials");
            sleep(Duration::from_millis(80)).await;
            assert_eq!(key(&cached.get().await), "3");
        });
    }

    #[test]
    fn expired_credentials_are_not_used() {
        run(async {
            let (cached, loads) = slow(Some(Duration::ZERO), true);
            assert_eq!(key(&cached.get().await), "1");
            assert!(cached.get().await.is_err());
            assert_eq!((key(&cached.get().await), loads.load(SeqCst)), ("3", 3), "a failure is not kept");
        });
    }
}
