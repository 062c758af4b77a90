//! What listeners show in the handshake of TLS, which can be replaced under them.

use std::sync::{Arc, PoisonError, RwLock};

use rustls::crypto::aws_lc_rs;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;

use super::{Names, Term};

/// A certificate with its private key, which is in no text of it.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub(super) certified: Arc<CertifiedKey>,
    /// What it was made for.
    pub(super) names: Names,
    pub(super) term: Term,
    pub(super) signer: Signer,
}

/// Who has signed a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The machine's own authority.
    Own,
    /// Somebody else, whom devices trust already.
    Other,
}

impl Leaf {
    /// One that somebody else has signed.
    pub fn of_others(certified: Arc<CertifiedKey>, names: Names, term: Term) -> Self {
        Self { certified, names, term, signer: Signer::Other }
    }

    /// What it is for.
    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Who has signed it.
    pub fn signer(&self) -> Signer {
        self.signer
    }

    /// How long it is valid.
    pub fn term(&self) -> Term {
        self.term
    }
}

/// What is shown to clients: the same one to all, also to those that ask for another name or for none. Nothing at first:
/// handshakes fail until there is something.
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<RwLock<Option<Arc<Leaf>>>>);

impl Shown {
    /// What is shown now.
    pub fn leaf(&self) -> Option<Arc<Leaf>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Shows this in every handshake from now on. Connections that are open go on.
    pub fn put(&self, leaf: Leaf) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(leaf));
    }

    /// TLS 1.3 and 1.2 for a listener that speaks these protocols inside (RFC 7301), the best first; a client that names
    /// none of them is refused, one that names no protocol at all is not.
    ///
    /// # Errors
    /// Only if the cryptography that was built in does not do either version.
    pub fn config(&self, protocols: &[&[u8]]) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaf().map(|leaf| Arc::clone(&leaf.certified))
    }
}
