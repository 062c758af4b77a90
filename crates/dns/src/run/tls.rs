//! DNS over TLS (RFC 7858), and the handshake that it has in common with DNS over HTTPS.

use std::sync::Arc;
use std::time::Duration;

use runtime::authority::Shown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::connections::{Answer, Connections, Place, Trouble, each, talk};
use crate::connections::{Origin, Over, client_id_in};

/// How long a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(5);

/// What a listener under TLS shows, and what it speaks inside.
#[derive(Clone)]
pub struct Secured {
    shown: Shown,
    acceptor: TlsAcceptor,
}

impl Secured {
    /// For [`serve_tls`] (RFC 7858). What is shown may change later.
    ///
    /// # Errors
    /// Only if the cryptography that was built in does no TLS.
    pub fn tls(shown: &Shown) -> Result<Self, rustls::Error> {
        Self::speaking(shown, &[b"dot"])
    }

    /// For [`crate::serve_https`] (RFC 8484).
    ///
    /// # Errors
    /// As for [`Secured::tls`].
    pub fn https(shown: &Shown) -> Result<Self, rustls::Error> {
        Self::speaking(shown, &[b"h2", b"http/1.1"])
    }

    fn speaking(shown: &Shown, protocols: &[&[u8]]) -> Result<Self, rustls::Error> {
        Ok(Self { shown: shown.clone(), acceptor: shown.config(protocols)?.into() })
    }

    /// The handshake, in time; and who the client says to be by the name that it asks for: what stands for the star in a name
    /// that the certificate is for.
    pub(super) async fn greet<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        place: &Place,
    ) -> Option<(TlsStream<S>, Option<Arc<str>>)> {
        let Ok(Ok(stream)) = timeout(HANDSHAKE_WAIT, self.acceptor.accept(stream)).await else {
            place.note(Trouble::Handshake);
            return None;
        };
        let leaf = self.shown.leaf();
        let names = leaf.iter().flat_map(|leaf| &leaf.names().names);
        let own = names.filter_map(|name| name.strip_prefix("*."));
        let id = stream.get_ref().1.server_name().and_then(|asked| client_id_in(asked, own));
        Some((stream, id))
    }
}

/// Answers questions over TLS (RFC 7858) until it is dropped.
pub async fn serve_tls<A: Answer>(
    listener: TcpListener,
    connections: Connections,
    secured: Secured,
    answer: A,
) {
    each(listener, connections, move |stream, client, seat| {
        let (secured, answer) = (secured.clone(), answer.clone());
        async move {
            let Ok(local) = stream.local_addr() else { return };
            let talking = async {
                let Some((stream, id)) = secured.greet(stream, seat.place()).await else { return };
                talk(stream, Origin { client, local, id, over: Over::Tls }, seat.place(), &answer).await;
            };
            seat.until_closed(talking).await;
        }
    })
    .await;
}
