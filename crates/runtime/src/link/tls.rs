//! TLS of the link: version 1.3 only, both ends show a raw public key (RFC 7250), and it has to be one of the lab's.
//!
//! No certificates: there is nothing that can be out of date, and a machine without a clock can speak.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, ClientConfig};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime,
};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
};

/// What stands in front of the 32 bytes of an Ed25519 public key (RFC 8410 section 4), and of a private one
/// (section 7).
const PUBLIC_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
const PRIVATE_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The public keys of the lab's machines, as they are shown in a handshake, with the machine of each.
pub(crate) type Known = BTreeMap<Vec<u8>, String>;

/// The machines that may speak, which change with the lab.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(Arc<RwLock<Known>>);

impl Trust {
    pub(crate) fn set(&self, known: Known) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// The machine that a key is of.
    pub(crate) fn machine(&self, key: &[u8]) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }
}

/// A public key of the lab file as it is shown in a handshake; none if it is no Ed25519 key of SSH.
pub(crate) fn shown(key: &str) -> Option<Vec<u8>> {
    let key = ssh_key::PublicKey::from_openssh(key).ok()?;
    let bytes = key.key_data().ed25519()?.0;
    Some([&PUBLIC_PREFIX[..], &bytes].concat())
}

/// Why a machine has no link.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFault {
    #[error("the machine's key can not be read: {0}")]
    Unreadable(String),
    #[error("the machine's key is not of the kind ed25519")]
    WrongKind,
    #[error("TLS refuses the machine's key: {0}")]
    Refused(#[from] Error),
}

/// Both ends of the link of a machine.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    provider: Arc<CryptoProvider>,
    own: Arc<CertifiedKey>,
}

impl Tls {
    /// With a private key in OpenSSH's format.
    pub(crate) fn with_key(openssh: &str) -> Result<Self, KeyFault> {
        let key = ssh_key::PrivateKey::from_openssh(openssh)
            .map_err(|error| KeyFault::Unreadable(error.to_string()))?;
        let pair = key.key_data().ed25519().ok_or(KeyFault::WrongKind)?;
        let private = [&PRIVATE_PREFIX[..], &pair.private.to_bytes()].concat();
        let public = [&PUBLIC_PREFIX[..], &pair.public.0].concat();
        let provider = aws_lc_rs::default_provider();
        let signing = provider
            .key_provider
            .load_private_key(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(private)))?;
        let own = CertifiedKey::new(vec![CertificateDer::from(public)], signing);
        Ok(Self { provider: Arc::new(provider), own: Arc::new(own) })
    }

    /// To speak to one machine: the one with this key and no other.
    pub(crate) fn client(&self, key: Vec<u8>) -> Result<Arc<ClientConfig>, KeyFault> {
        let verifier = Arc::new(Only { key, algorithms: self.provider.signature_verification_algorithms });
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::clone(
                &self.own,
            ))));
        config.enable_sni = false;
        Ok(Arc::new(config))
    }

    /// To be spoken to by every machine of the lab.
    pub(crate) fn server(&self, trust: Trust) -> Result<Arc<ServerConfig>, KeyFault> {
        let verifier = Arc::new(OneOf { trust, algorithms: self.provider.signature_verification_algorithms });
        let config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::clone(&self.own))));
        Ok(Arc::new(config))
    }
}

/// What went wrong with a connection, in words: those of TLS about keys are not for people.
pub(crate) fn words(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::InvalidCertificate(_)) => {
            "its key is not the one in the lab file: `polis machine key` there prints the line".to_owned()
        }
        Some(Error::AlertReceived(AlertDescription::UnknownCA)) => {
            "it does not know this machine's key: its lab file has to have what `polis machine key` prints here"
                .to_owned()
        }
        Some(
            error @ (Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerIncompatible(_)
            | Error::PeerMisbehaved(_)
            | Error::NoCertificatesPresented),
        ) => format!("it does not speak the link of Polis: {error}"),
        _ if error.kind() == std::io::ErrorKind::UnexpectedEof => "it ended the connection".to_owned(),
        _ => error.to_string(),
    }
}

fn is_signed(
    message: &[u8],
    key: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    verify_tls13_signature_with_raw_key(
        message,
        &SubjectPublicKeyInfoDer::from(key.as_ref()),
        signature,
        algorithms,
    )
}

/// Only TLS 1.3 is spoken, so nobody comes to sign as in 1.2.
fn never_older() -> Error {
    Error::General("the link is TLS 1.3 only".to_owned())
}

/// The other end has to have exactly this key.
#[derive(Debug)]
struct Only {
    key: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if key.as_ref() == self.key {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(never_older())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        is_signed(message, key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// The other end has to be a machine of the lab.
#[derive(Debug)]
struct OneOf {
    trust: Trust,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for OneOf {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.trust.machine(key) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _key: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(never_older())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        is_signed(message, key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
