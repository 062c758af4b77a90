//! A machine's own certificate authority: it signs what the machine's services show to clients until there are public
//! certificates. Devices trust it once, by its certificate; its private key never leaves the state folder.
//!
//! It can speak for the lab's domains and private addresses only (RFC 5280 section 4.2.1.10), so that a device that trusts it
//! trusts nobody with the rest of the world. What it signs is made anew at each start and in time before it runs out;
//! whoever trusts the authority sees no difference. [`Shown`] is what listeners show, and changes under them.
//!
//! Apple's devices take nothing that is valid for more than 825 days, also from an authority that their owner trusts
//! (support.apple.com/103769); other authorities' limit is 398. What is signed here keeps below both.
//!
//! Time is given. Where the clock may be wrong, which it then is by being late, what is signed is valid for longer.

mod shown;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ipnet::IpNet;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PublicKeyData as _, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::{Clock, Millis};
use crate::fault::Fault;
use crate::state::{State, replace_private};

pub use shown::{Leaf, Shown, Signer};

/// A day, in milliseconds.
const DAY: Millis = 86_400_000;
/// How long an authority is valid, and how long before its end it is made anew.
const AUTHORITY_LIFE: Millis = 10 * 365 * DAY;
const AUTHORITY_RENEW: Millis = 365 * DAY;
/// How long before now an authority and what it signs are valid: clients' clocks are wrong too.
const AUTHORITY_BACK: Millis = 30 * DAY;
const LEAF_BACK: Millis = 7 * DAY;
/// How long what is signed is valid from now on.
const LEAF_LIFE: Millis = 90 * DAY;
/// The same while the clock may be wrong: as long as every client takes.
const LEAF_LIFE_UNSURE: Millis = 390 * DAY;
/// How long before its end it is made anew.
const LEAF_RENEW: Millis = 30 * DAY;
/// The longest common name (RFC 5280 appendix A.1), in letters.
const MAX_COMMON_NAME: usize = 64;
/// The most names and addresses that one certificate is for.
const MAX_NAMES: usize = 64;

/// Addresses that no authority of anybody else speaks for: private, shared, of a link, and the machine's own.
const PRIVATE: [&str; 9] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
    "127.0.0.0/8",
    "fc00::/7",
    "fe80::/10",
    "::1/128",
];

/// What an authority can speak for, besides private addresses: these domains and everything below them, and these networks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Within {
    /// Domains, without a dot at an end.
    pub domains: BTreeSet<String>,
    /// Networks, for a lab that has addresses which are not private.
    pub networks: BTreeSet<IpNet>,
}

impl Within {
    fn has_name(&self, name: &str) -> bool {
        let name = name.strip_prefix("*.").unwrap_or(name);
        self.domains.iter().any(|domain| {
            name.strip_suffix(domain.as_str())
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
    }

    fn has_address(&self, address: IpAddr) -> bool {
        private().chain(self.networks.iter().copied()).any(|network| network.contains(&address))
    }

    /// Whether it has everything that another one has.
    fn has_all(&self, other: &Self) -> bool {
        let has_network =
            |network: &IpNet| private().chain(self.networks.iter().copied()).any(|own| own.contains(network));
        other.domains.iter().all(|domain| self.has_name(domain)) && other.networks.iter().all(has_network)
    }

    fn constraints(&self) -> NameConstraints {
        let names = self.domains.iter().cloned().map(GeneralSubtree::DnsName);
        let subnet = |network: IpNet| CidrSubnet::from_addr_prefix(network.network(), network.prefix_len());
        let networks = private().chain(self.networks.iter().copied());
        let networks = networks.map(|network| GeneralSubtree::IpAddress(subnet(network)));
        NameConstraints { permitted_subtrees: names.chain(networks).collect(), excluded_subtrees: Vec::new() }
    }
}

fn private() -> impl Iterator<Item = IpNet> {
    PRIVATE.iter().filter_map(|network| network.parse().ok())
}

/// What a certificate is for. A name may begin with `*.`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Names in lower case, without a dot at an end.
    pub names: BTreeSet<String>,
    /// Addresses, for clients that know no name.
    pub addresses: BTreeSet<IpAddr>,
}

/// From when until when something is valid: whole days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The first moment.
    pub from: Millis,
    /// The first moment that it is not valid any more.
    pub until: Millis,
}

impl Term {
    fn around(now: Millis, back: Millis, life: Millis) -> Self {
        let day = |moment: Millis| moment.div_euclid(DAY).saturating_mul(DAY);
        Self { from: day(now.saturating_sub(back)), until: day(now.saturating_add(life)) }
    }

    /// Whether it has to be made anew: it ends before so much time has passed, or it has not begun, because the clock was
    /// wrong when it was made.
    fn is_due(self, now: Millis, before: Millis) -> bool {
        now < self.from || self.until.saturating_sub(now) < before
    }
}

/// Whether a certificate has to be made: there is none, or it is for something else, or it runs out.
pub fn leaf_is_due(has: Option<(&Names, Term)>, wanted: &Names, now: Millis) -> bool {
    has.is_none_or(|(names, term)| names != wanted || term.is_due(now, LEAF_RENEW))
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityFault {
    /// The file of the authority can not be read or written.
    #[error("the certificate authority in `{path}` can not be {doing}: {source}")]
    File {
        /// What was to be done.
        doing: &'static str,
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The file of the authority is damaged.
    #[error("the certificate authority in `{path}` is damaged: {why}")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it. It never shows the key.
        why: String,
    },
    /// It can not speak for a name or an address, or for none, or for so many.
    #[error("the machine's certificate authority can not sign for {0}")]
    Outside(String),
    /// Something could not be signed.
    #[error("a certificate can not be made: {0}")]
    Unmade(String),
}

impl From<AuthorityFault> for Fault {
    fn from(fault: AuthorityFault) -> Self {
        let help = match &fault {
            AuthorityFault::File { .. } => {
                "the state folder has to be writable for who runs Polis".to_owned()
            }
            AuthorityFault::Damaged { path, .. } => format!(
                "put `{path}` back from a backup; if there is none, move it away, and devices have to trust the new one \
                 that is made then"
            ),
            AuthorityFault::Outside(_) => {
                "it signs for the lab's domain and for the lab's own addresses".to_owned()
            }
            AuthorityFault::Unmade(_) => {
                "this is a mistake in Polis; what was shown before is shown on".to_owned()
            }
        };
        Self { what: fault.to_string(), help }
    }
}

fn unmade(error: impl fmt::Display) -> AuthorityFault {
    AuthorityFault::Unmade(error.to_string())
}

/// What is in the file.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The private key, PKCS #8 in base64.
    key: String,
    /// The certificate as PEM.
    certificate: String,
    /// The common name, which is the issuer's in what it signs.
    name: String,
    term: Term,
    within: Within,
}

/// A machine's certificate authority.
pub struct Authority {
    key: KeyPair,
    kept: Kept,
    der: CertificateDer<'static>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Kept { name, term, within, .. } = &self.kept;
        let mut shown = formatter.debug_struct("Authority");
        shown.field("name", name).field("term", term).field("within", within).finish_non_exhaustive()
    }
}

impl Authority {
    /// The one in the state folder, in the file `authority.json`. It is made if there is none. Its certificate is made anew,
    /// with the same key, if it ends within a year or can not speak for all that it has to: devices that trust the old one
    /// take what is signed within its bounds until it ends.
    ///
    /// # Errors
    /// If the file can not be read, is damaged, or can not be written. One that is damaged is not replaced: devices trust it.
    pub fn in_state(
        state: &State,
        machine: &str,
        within: &Within,
        clock: &Clock,
    ) -> Result<Self, AuthorityFault> {
        // With no domain it could speak for every name there is.
        if within.domains.is_empty() || within.domains.contains("") {
            return Err(AuthorityFault::Outside("no domain".to_owned()));
        }
        let path = state.folder().join("authority.json");
        let shown = path.display().to_string();
        let file = |doing, source| AuthorityFault::File { doing, path: shown.clone(), source };
        let kept = match std::fs::read(&path) {
            Ok(bytes) => {
                Some(Self::read(&bytes).map_err(|why| AuthorityFault::Damaged { path: shown.clone(), why })?)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(file("read", error)),
        };
        // A clock that is late sees no end that is near, and one that is not set decides nothing.
        let is_over = |kept: &Self| clock.is_set() && kept.kept.term.is_due(clock.now(), AUTHORITY_RENEW);
        let key = match kept {
            Some(kept) if kept.kept.within.has_all(within) && !is_over(&kept) => return Ok(kept),
            Some(kept) => kept.key,
            None => KeyPair::generate().map_err(unmade)?,
        };
        let made = Self::make(key, machine, within, clock.now())?;
        let text = serde_json::to_vec(&made.kept).map_err(unmade)?;
        replace_private(&path, &text).map_err(|error| file("written", error))?;
        Ok(made)
    }

    fn read(bytes: &[u8]) -> Result<Self, String> {
        // What serde says of a wrong value could show it.
        let kept: Kept = serde_json::from_slice(bytes).map_err(|error| {
            format!("line {}, column {} is not as it was written", error.line(), error.column())
        })?;
        let private = STANDARD.decode(&kept.key).ok().map(PrivatePkcs8KeyDer::from);
        let key =
            private.and_then(|key| KeyPair::from_pkcs8_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256).ok());
        let key = key.ok_or("its key can not be read")?;
        let der = CertificateDer::from_pem_slice(kept.certificate.as_bytes())
            .map_err(|_| "its certificate can not be read")?;
        if !der.windows(key.der_bytes().len()).any(|part| part == key.der_bytes()) {
            return Err("its certificate is not that of its key".to_owned());
        }
        Ok(Self { key, kept, der })
    }

    fn make(key: KeyPair, machine: &str, within: &Within, now: Millis) -> Result<Self, AuthorityFault> {
        let term = Term::around(now, AUTHORITY_BACK, AUTHORITY_LIFE);
        let name = common_name(&key, machine, within);
        let mut params = params(&name, term)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.name_constraints = Some(within.constraints());
        let der = CertificateDer::from(params.self_signed(&key).map_err(unmade)?);
        let private = STANDARD.encode(key.serialized_der());
        let kept = Kept { key: private, certificate: pem(&der), name, term, within: within.clone() };
        Ok(Self { key, kept, der })
    }

    /// Its certificate, for devices to trust: PEM, nothing secret.
    pub fn certificate_pem(&self) -> &str {
        &self.kept.certificate
    }

    /// The same as DER, as phones like it.
    pub fn certificate_der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of its certificate as devices show it before they trust it: `3A:07:…`.
    pub fn fingerprint(&self) -> String {
        let bytes: Vec<String> = Sha256::digest(&self.der).iter().map(|byte| format!("{byte:02X}")).collect();
        bytes.join(":")
    }

    /// How long it is valid.
    pub fn term(&self) -> Term {
        self.kept.term
    }

    /// Sees to it that a valid certificate for these names is shown: makes one if [`leaf_is_due`]. To be called at the start,
    /// when names change, and now and then, at least daily, and when the clock has been set. Whether it made one.
    ///
    /// # Errors
    /// If a name is not one that this can speak for. What was shown before is shown on.
    pub fn keep(&self, shown: &Shown, wanted: &Names, clock: &Clock) -> Result<Made, AuthorityFault> {
        let has = shown.leaf();
        let own = has.as_deref().filter(|leaf| leaf.signer == Signer::Own);
        let has = own.map(|leaf| (&leaf.names, leaf.term));
        if !leaf_is_due(has, wanted, clock.now()) {
            return Ok(Made::Nothing);
        }
        shown.put(self.sign(wanted, clock)?);
        Ok(Made::Leaf)
    }

    /// A certificate with a key of its own.
    fn sign(&self, wanted: &Names, clock: &Clock) -> Result<Leaf, AuthorityFault> {
        let count = wanted.names.len() + wanted.addresses.len();
        if count == 0 || count > MAX_NAMES {
            return Err(AuthorityFault::Outside(format!("{count} names: 1 to {MAX_NAMES} it can")));
        }
        let names = wanted.names.iter().filter(|name| !self.kept.within.has_name(name)).map(String::clone);
        let addresses = wanted.addresses.iter().filter(|address| !self.kept.within.has_address(**address));
        let outside: Vec<String> = names.chain(addresses.map(ToString::to_string)).collect();
        if !outside.is_empty() {
            return Err(AuthorityFault::Outside(outside.join(", ")));
        }
        let life = if clock.is_set() { LEAF_LIFE } else { LEAF_LIFE_UNSURE };
        let term = Term::around(clock.now(), LEAF_BACK, life);
        let first = wanted.names.iter().find(|name| !name.starts_with('*') && name.len() <= MAX_COMMON_NAME);
        let mut params = params(first.map_or("polis", String::as_str), term)?;
        let name = |name: &String| Ok(SanType::DnsName(name.clone().try_into().map_err(unmade)?));
        params.subject_alt_names = wanted.names.iter().map(name).collect::<Result<_, AuthorityFault>>()?;
        params.subject_alt_names.extend(wanted.addresses.iter().copied().map(SanType::IpAddress));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let mut issuing = CertificateParams::default();
        issuing.distinguished_name = common(&self.kept.name);
        issuing.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().map_err(unmade)?;
        let certificate =
            params.signed_by(&key, &Issuer::from_params(&issuing, &self.key)).map_err(unmade)?;
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signing = aws_lc_rs::default_provider().key_provider.load_private_key(private).map_err(unmade)?;
        let certified = CertifiedKey::new(vec![certificate.into()], signing);
        Ok(Leaf { certified: Arc::new(certified), names: wanted.clone(), term, signer: Signer::Own })
    }
}

/// A certificate as text (RFC 7468 section 5).
fn pem(der: &[u8]) -> String {
    let mut text = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (place, letter) in STANDARD.encode(der).chars().enumerate() {
        if place > 0 && place % 64 == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str("\n-----END CERTIFICATE-----\n");
    text
}

/// Whether a certificate was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// What is shown was good.
    Nothing,
    /// Another one is shown from now on.
    Leaf,
}

/// What all certificates have. The number is drawn: with the same one twice, some clients refuse both.
fn params(name: &str, term: Term) -> Result<CertificateParams, AuthorityFault> {
    let mut number = [0; 16];
    getrandom::getrandom(&mut number).map_err(unmade)?;
    // Positive, and of the same length always.
    if let Some(first) = number.first_mut() {
        *first = (*first & 0x3F) | 0x40;
    }
    let mut params = CertificateParams::default();
    params.serial_number = Some(SerialNumber::from_slice(&number));
    params.distinguished_name = common(name);
    let date = |moment: Millis| {
        let timestamp = jiff::Timestamp::from_millisecond(moment).map_err(unmade)?;
        let date = timestamp.to_zoned(jiff::tz::TimeZone::UTC).date();
        let part = |part: i8| u8::try_from(part).map_err(unmade);
        Ok(rcgen::date_time_ymd(i32::from(date.year()), part(date.month())?, part(date.day())?))
    };
    (params.not_before, params.not_after) = (date(term.from)?, date(term.until)?);
    Ok(params)
}

fn common(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

/// What people see of an authority in a device's list. With some of its key: two of the same name are told apart.
fn common_name(key: &KeyPair, machine: &str, within: &Within) -> String {
    let hash = Sha256::digest(key.der_bytes());
    let [first, second, third, ..] = <[u8; 32]>::from(hash);
    let domain = within.domains.first().map_or("lab", String::as_str);
    let name = format!("Polis {first:02x}{second:02x}{third:02x} {machine} {domain}");
    name.chars().take(MAX_COMMON_NAME).collect()
}

#[cfg(test)]
#[path = "authority/tests.rs"]
mod tests;
