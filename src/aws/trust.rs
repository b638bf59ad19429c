//! The certificate authorities that are trusted: those of a bundle that the user names, or those of this machine.
//!
//! As with boto3, `AWS_CA_BUNDLE` and the profile's `ca_bundle` replace the authorities of the machine. `REQUESTS_CA_BUNDLE`
//! adds to them: in a load test, it often holds only the authority of the service under test, for Locust's own requests.

use std::io;
use std::path::Path;
use std::sync::OnceLock;

use aws_config::profile::ProfileSet;
use aws_smithy_http_client::tls::{TlsContext, TrustStore};
use aws_smithy_types::base64;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{CertificateError, RootCertStore};
use serde::Serialize;

use super::environment::variable;
use super::error::causes;

const AWS_BUNDLE: &str = "AWS_CA_BUNDLE";
const REQUESTS_BUNDLE: &str = "REQUESTS_CA_BUNDLE";
const PROFILE_BUNDLE: &str = "ca_bundle";

/// The reason for which no server can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct NoAuthorities(pub(super) String);

/// The authorities for all calls of one configuration.
pub(super) type Trust = Result<TlsContext, NoAuthorities>;

/// A bundle of certificates that the user names.
#[derive(Debug, Clone, Serialize)]
pub(super) struct CaBundle {
    /// Path of a file, or of a folder of files.
    path: String,
    /// The variable, or the setting of the profile, that names it.
    named_by: &'static str,
    /// Whether it replaces the authorities of the machine.
    replaces: bool,
}

impl CaBundle {
    /// The bundle that the environment or the profile names.
    pub(super) fn of(profiles: &ProfileSet) -> Option<Self> {
        let of_profile = || profiles.get(PROFILE_BUNDLE).filter(|path| !path.trim().is_empty()).map(str::to_owned);
        let bundle = |named_by, replaces| move |path| Self { path, named_by, replaces };
        let of_aws = variable(AWS_BUNDLE).map(bundle(AWS_BUNDLE, true));
        of_aws
            .or_else(|| of_profile().map(bundle(PROFILE_BUNDLE, true)))
            .or_else(|| variable(REQUESTS_BUNDLE).map(bundle(REQUESTS_BUNDLE, false)))
    }
}

/// The authorities of a bundle, or of the machine, or of both.
///
/// # Errors
/// If the bundle cannot be read, or there are no authorities. Only a call by HTTPS needs them.
pub(super) fn trust_of(bundle: Option<&CaBundle>) -> Trust {
    let has_authorities = bundle.is_none_or(|bundle| !bundle.replaces) && machine_has_authorities();
    let store = if has_authorities { TrustStore::default() } else { TrustStore::empty() };
    match bundle {
        Some(bundle) => context(with_bundle(store, bundle)?),
        None if has_authorities => context(store),
        None => Err(NoAuthorities(
            "there are no CA certificates on this machine. Install them (on Debian and Ubuntu, the package \
             ca-certificates), or name a file with AWS_CA_BUNDLE"
                .to_owned(),
        )),
    }
}

fn context(store: TrustStore) -> Trust {
    TlsContext::builder().with_trust_store(store).build().map_err(|error| NoAuthorities(error.to_string()))
}

/// Whether the machine has authorities, or `SSL_CERT_FILE` or `SSL_CERT_DIR` names some. The SDK also reads them once in a
/// process.
fn machine_has_authorities() -> bool {
    static ANY: OnceLock<bool> = OnceLock::new();
    *ANY.get_or_init(|| {
        let certificates = rustls_native_certs::load_native_certs().certs;
        RootCertStore::empty().add_parsable_certificates(certificates).0 > 0
    })
}

/// Adds the certificates of a bundle.
fn with_bundle(mut store: TrustStore, bundle: &CaBundle) -> Result<TrustStore, NoAuthorities> {
    let CaBundle { path, named_by, .. } = bundle;
    let unusable = |what: &str| NoAuthorities(format!("the CA bundle {path}, which {named_by} names, {what}"));
    let certificates =
        certificates_in(Path::new(path)).map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    if certificates.is_empty() {
        return Err(unusable("has no CA certificate in PEM form"));
    }
    for certificate in certificates {
        store.add_pem_certificate(pem_of(&certificate));
    }
    Ok(store)
}

fn pem_of(certificate: &CertificateDer<'_>) -> String {
    let body = base64::encode(certificate.as_ref());
    let [begin, end] = ["BEGIN", "END"].map(|which| format!("-----{which} CERTIFICATE-----"));
    [begin, body, end].join("\n")
}

/// The certificates of a file, or of the files of a folder, without those that the SDK cannot use: it would panic.
fn certificates_in(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let mut paths = vec![path.to_owned()];
    if path.is_dir() {
        paths = std::fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
        paths.retain(|path| path.is_file());
    }
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read(path)?;
        let certificates = CertificateDer::pem_slice_iter(&text).flatten();
        found.extend(certificates.filter(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok()));
    }
    Ok(found)
}

/// The problem with the certificate of a server, if a call failed because of it.
pub(super) fn problem_with_certificate(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let of_tls = causes(error).find_map(|cause| innermost(cause).downcast_ref::<rustls::Error>())?;
    let rustls::Error::InvalidCertificate(problem) = of_tls else { return None };
    let what = match problem {
        CertificateError::UnknownIssuer => {
            return Some(
                "the certificate of the server is not trusted, as its issuer is unknown here. If a proxy or the endpoint \
                 has a CA of its own, name a file with its certificate with AWS_CA_BUNDLE"
                    .to_owned(),
            );
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "has expired, or this machine's clock is wrong"
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "is not valid yet, or this machine's clock is wrong"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another host name: check --cw-endpoint-url, and proxies on the way"
        }
        other => return Some(format!("the certificate of the server is not trusted: {other}")),
    };
    Some(format!("the certificate of the server is not trusted: it {what}"))
}

/// The innermost error of nested I/O errors: they display its text, but do not return it as their source.
fn innermost<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(within) => innermost(within),
        None => error,
    }
}
