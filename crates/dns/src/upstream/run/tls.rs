//! TLS to upstreams: whom to trust, and what went wrong in words.
//!
//! The system's roots come first, because who has an authority of their own has put it there. Those that the
//! binary has are for machines that have none: a fresh container, a smallest Debian.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use runtime::Clock;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// How many certificates of a chain may be from what a machine without a clock takes for the future.
const MAX_CHAIN: usize = 8;

/// The authorities that the system trusts; those of the binary if it has none, or none that can be read.
pub fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // Files that can not be read are none that are trusted: what is left counts.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

/// What connections are begun with. Sessions are resumed across all threads.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// For DNS over TLS.
    pub(crate) plain: Arc<ClientConfig>,
    /// For HTTP/2.
    pub(crate) http: Arc<ClientConfig>,
}

impl Tls {
    pub(crate) fn new(roots: &Arc<RootCertStore>, clock: &Clock) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder =
            ClientConfig::builder_with_details(Arc::clone(&provider), Arc::new(Time(clock.clone())))
                .with_safe_default_protocol_versions()?;
        let plain = if roots.is_empty() {
            builder.with_root_certificates(Arc::clone(roots)).with_no_client_auth()
        } else {
            let verifier = Verifier::new(roots, &provider, clock)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        };
        let mut http = plain.clone();
        http.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { plain: Arc::new(plain), http: Arc::new(http) })
    }
}

/// The time of the runtime, which never runs below what is known to have passed.
#[derive(Debug)]
pub(crate) struct Time(pub(crate) Clock);

impl TimeProvider for Time {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

/// The usual verifier, except while the clock is not set: a machine that boots in the past asks for the name of a
/// time server, and its encrypted upstream may have a certificate from what is then the future. That is
/// taken as valid from its first day on. One that has ended is refused all the same, and nobody's name
/// counts for another's.
#[derive(Debug)]
struct Verifier {
    usual: Arc<WebPkiServerVerifier>,
    clock: Clock,
}

impl Verifier {
    fn new(roots: &Arc<RootCertStore>, provider: &Arc<CryptoProvider>, clock: &Clock) -> Result<Self, Error> {
        let usual = WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
        Ok(Self { usual, clock: clock.clone() })
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        mut now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        for _ in 0..MAX_CHAIN {
            match self.usual.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
                Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                    not_before, ..
                })) if !self.clock.is_set() && not_before > now => {
                    now = not_before;
                }
                verdict => return verdict,
            }
        }
        Err(Error::InvalidCertificate(CertificateError::NotValidYet))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.usual.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}

/// What went wrong with a handshake, in words that say what to do. `name` is whom the certificate has to be for.
pub(crate) fn words(error: &io::Error, name: &str) -> Arc<str> {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let words = match inner {
        Some(Error::InvalidCertificate(why)) => match why {
            // The second: one of the same name with another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                "its certificate is of no authority that this machine trusts: if it is your own, put that into \
                 /usr/local/share/ca-certificates and run update-ca-certificates"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "its certificate has ended, or this machine's clock is ahead".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "its certificate is not valid yet: is this machine's clock right?".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is not for {name}: name whom it is for behind a #, as tls://9.9.9.9#dns.quad9.net")
            }
            CertificateError::Revoked => "its certificate was revoked".to_owned(),
            other => format!("its certificate is refused: {other}"),
        },
        Some(Error::AlertReceived(alert)) => format!("it refuses to speak TLS with us: {alert:?}"),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS at this port".to_owned(),
        Some(other) => format!("TLS with it does not work: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "it ended the connection during the handshake of TLS".to_owned(),
        None => format!("the handshake of TLS broke off: {error}"),
    };
    words.into()
}
