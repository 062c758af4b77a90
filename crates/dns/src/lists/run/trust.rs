//! TLS for fetching lists: HTTP/1.1, and certificates that are in date by the clock of the runtime.

use std::sync::Arc;

use runtime::Clock;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::upstream::run::tls::Time;

/// A client for servers with certificates of these authorities, TLS 1.2 and 1.3. What is in date says the clock of
/// the runtime, which does not begin in 1970.
#[expect(clippy::expect_used, reason = "the provider knows TLS 1.2 and 1.3")]
pub fn client_with(roots: impl Into<Arc<RootCertStore>>, clock: &Clock) -> Arc<ClientConfig> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_details(provider, Arc::new(Time(clock.clone())));
    let builder = builder.with_safe_default_protocol_versions().expect("both are there");
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use rustls::time_provider::TimeProvider as _;

    use super::*;

    #[test]
    fn certificates_are_in_date_by_the_clock_of_the_runtime() {
        let time = Time(Clock::stopped_at(1_000));
        assert_eq!(time.current_time().map(|time| time.as_secs()), Some(1_000));
    }
}
