//! The HTTP client of all calls: through the proxy of the environment, except to the addresses of `direct`.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use url::Url;

use super::direct::{is_direct, leads_here};
use super::trust::{NoAuthorities, Trust};

/// Variables that name a proxy.
const PROXY_VARIABLES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// Names of custom endpoints that resolve to this machine.
type DirectHosts = Arc<RwLock<HashSet<String>>>;

/// The HTTP clients of one configuration of the SDK.
pub(super) struct HttpClients {
    client: SharedHttpClient,
    direct_hosts: Option<DirectHosts>,
}

impl HttpClients {
    pub(super) fn new(trust: &Trust) -> Self {
        let direct = client_with(ProxyConfig::disabled, trust);
        if PROXY_VARIABLES.iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
            return Self { client: direct, direct_hosts: None };
        }
        let (proxied, direct_hosts) = (client_with(ProxyConfig::from_env, trust), DirectHosts::default());
        let by_address = ByAddress { direct, proxied, direct_hosts: Arc::clone(&direct_hosts) };
        Self { client: SharedHttpClient::new(by_address), direct_hosts: Some(direct_hosts) }
    }

    pub(super) fn client(&self) -> SharedHttpClient {
        self.client.clone()
    }

    /// Makes requests to custom endpoints on this machine bypass proxies. AWS's own names are not looked up, because there may be
    /// no DNS behind a proxy.
    pub(super) async fn reach_directly(&self, urls: impl Iterator<Item = &str>) {
        let Some(direct_hosts) = &self.direct_hosts else { return };
        for url in urls {
            if leads_here(url).await
                && let Some(host) = host_of(url)
            {
                direct_hosts.write().unwrap_or_else(PoisonError::into_inner).insert(host);
            }
        }
    }
}

fn host_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.host_str().map(str::to_owned)
}

fn client_with(proxy: fn() -> ProxyConfig, trust: &Trust) -> SharedHttpClient {
    let problem = trust.as_ref().err().cloned();
    // If there are no authorities, an empty context. `WithoutTls` refuses HTTPS requests before they use it.
    let context = trust.clone().ok();
    let client = Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(proxy()));
        connector.set_tls_context(context.clone().unwrap_or_else(without_authorities));
        connector.build()
    });
    match problem {
        None => client,
        Some(problem) => SharedHttpClient::new(WithoutTls { inner: client, problem }),
    }
}

/// A context that trusts no server.
fn without_authorities() -> TlsContext {
    TlsContext::builder().with_trust_store(TrustStore::empty()).build().unwrap_or_default()
}

/// Refuses HTTPS requests with the reason.
#[derive(Debug)]
struct WithoutTls<T> {
    inner: T,
    problem: NoAuthorities,
}

impl HttpClient for WithoutTls<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(WithoutTls { inner, problem: self.problem.clone() })
    }
}

impl HttpConnector for WithoutTls<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().starts_with("https:") {
            return HttpConnectorFuture::ready(Err(ConnectorError::user(self.problem.clone().into())));
        }
        self.inner.call(request)
    }
}

/// Decides for each request whether it may use a proxy.
#[derive(Debug)]
struct ByAddress<T> {
    direct: T,
    proxied: T,
    direct_hosts: DirectHosts,
}

impl HttpClient for ByAddress<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let [direct, proxied] = [&self.direct, &self.proxied].map(|client| client.http_connector(settings, components));
        SharedHttpConnector::new(ByAddress { direct, proxied, direct_hosts: Arc::clone(&self.direct_hosts) })
    }
}

impl HttpConnector for ByAddress<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let direct_hosts = self.direct_hosts.read().unwrap_or_else(PoisonError::into_inner);
        let is_direct =
            is_direct(request.uri()) || host_of(request.uri()).is_some_and(|host| direct_hosts.contains(&host));
        if is_direct { self.direct.call(request) } else { self.proxied.call(request) }
    }
}
