//! The HTTP client of all calls: through the proxy of the environment, except to the addresses of `direct`.

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, ConnectorBuilder};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use super::direct::never_proxied;

/// Variables that name a proxy.
const PROXY_VARIABLES: [&str; 6] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// The client for one configuration of the SDK.
pub(super) fn client() -> SharedHttpClient {
    let direct = client_with(ProxyConfig::disabled);
    if PROXY_VARIABLES.iter().all(|name| std::env::var_os(name).is_none_or(|value| value.is_empty())) {
        return direct;
    }
    SharedHttpClient::new(ByAddress { direct, proxied: client_with(ProxyConfig::from_env) })
}

fn client_with(proxy: fn() -> ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = ConnectorBuilder::default().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.set_proxy_config(Some(proxy()));
        connector.build()
    })
}

/// Decides for each request whether it may go through a proxy.
#[derive(Debug)]
struct ByAddress<T> {
    direct: T,
    proxied: T,
}

impl HttpClient for ByAddress<SharedHttpClient> {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let [direct, proxied] = [&self.direct, &self.proxied].map(|client| client.http_connector(settings, components));
        SharedHttpConnector::new(ByAddress { direct, proxied })
    }
}

impl HttpConnector for ByAddress<SharedHttpConnector> {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (direct, proxied) = (self.direct.clone(), self.proxied.clone());
        HttpConnectorFuture::new(async move {
            let connector = if never_proxied(request.uri()).await { direct } else { proxied };
            connector.call(request).await
        })
    }
}
