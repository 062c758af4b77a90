//! Every fault that a person can make in a lab file. `docs/faults.md` is generated from this table.

/// How bad a fault is. An error: the file contradicts itself or can not be carried out, and is refused.
/// A warning: it can be carried out, and the owner may come to regret it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The lab is refused.
    Error,
    /// The lab is used.
    Warning,
}

impl Severity {
    /// The word that is shown.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $name:ident = $slug:literal, $severity:ident; )+) => {
        /// Which fault it is. The slug is stable: scripts and links may rely on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $( $(#[doc = $doc])+ $name, )+
        }

        impl Code {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Code] = &[$( Code::$name, )+];

            /// The stable name, as in `error[address-taken]`.
            pub fn slug(self) -> &'static str {
                match self { $( Code::$name => $slug, )+ }
            }

            /// Error or warning.
            pub fn severity(self) -> Severity {
                match self { $( Code::$name => Severity::$severity, )+ }
            }

            /// What it means, for the documentation.
            pub fn meaning(self) -> &'static str {
                match self { $( Code::$name => concat!($($doc),+).trim_ascii(), )+ }
            }
        }
    };
}

codes! {
    /// The text is not TOML: a quote, a bracket or an equals sign is missing or too many.
    Syntax = "syntax", Error;
    /// The same key is given twice, in one file or in two. Both places are shown; one has to go.
    KeyTwice = "key-twice", Error;
    /// The table has no such key. Keys that are unknown are never ignored: a typing error would be.
    UnknownKey = "unknown-key", Error;
    /// A key that the table can not do without is not there.
    MissingKey = "missing-key", Error;
    /// The value is of another kind: a number where a text belongs, a text where a list belongs.
    WrongKind = "wrong-kind", Error;
    /// The value is of the right kind and does not say what it should: a duration without a unit, an address
    /// with a number above 255.
    BadValue = "bad-value", Error;
    /// A name is no DNS label, or is a word that the lab file keeps for itself.
    BadName = "bad-name", Error;
    /// A name refers to something that the lab does not have.
    UnknownName = "unknown-name", Error;
    /// Two keys say the same thing in two ways, or none of them says it.
    EitherOr = "either-or", Error;
    /// A file that the lab refers to is not in the lab folder.
    NoSuchFile = "no-such-file", Error;
    /// The lab says that it needs a newer version of Polis.
    NeedsNewer = "needs-newer", Error;

    /// Two things have the same name. Rules, orders and sentences name things by it, so it can be given once.
    NameTaken = "name-taken", Error;
    /// Two things would answer to the same DNS name.
    DnsNameTaken = "dns-name-taken", Error;
    /// The lab's domain ends in `.local`, which devices resolve by multicast and never ask a DNS server for.
    DomainLocal = "domain-local", Warning;
    /// The name of a machine is not in the list that its site takes names from.
    NamingScheme = "naming-scheme", Warning;

    /// Two zones share addresses, so that a router could not tell which of them a packet is for.
    ZonesOverlap = "zones-overlap", Error;
    /// Two zones of one site have the same VLAN number.
    VlanTaken = "vlan-taken", Error;
    /// An address is in another network than its zone.
    AddressOutsideZone = "address-outside-zone", Error;
    /// Two things have the same address.
    AddressTaken = "address-taken", Error;
    /// Something has the address of its zone's gateway.
    AddressIsGateway = "address-is-gateway", Error;
    /// The first or the last address of a network means the network itself and everyone in it.
    AddressReserved = "address-reserved", Error;
    /// Two devices have the same MAC address.
    MacTaken = "mac-taken", Error;
    /// A port of a switch is given to two things.
    SwitchPortTaken = "switch-port-taken", Error;
    /// The members of a zone count as the zone itself, or as a zone that in turn has members.
    MembersLoop = "members-loop", Error;
    /// A tunnel ends at something that is no router, or begins and ends at the same one.
    TunnelEnd = "tunnel-end", Error;
    /// The network inside a tunnel has no two addresses, or is part of another network of the lab.
    TunnelNet = "tunnel-net", Error;
    /// RouterOS knows WireGuard from version 7 on.
    WireguardRouteros6 = "wireguard-routeros-6", Error;
    /// An IPsec tunnel without a secret would be open to everyone.
    TunnelSecret = "tunnel-secret", Error;
    /// Two routers have the same AS number: a route that one announces would be refused by the other.
    AsnTaken = "asn-taken", Error;
    /// A router that shares routes has no AS number.
    AsnMissing = "asn-missing", Error;
    /// The AS number belongs to somebody on the internet.
    AsnPublic = "asn-public", Warning;

    /// The sentence is none of the six forms of an assertion.
    AssertionSyntax = "assertion-syntax", Error;
    /// The lab, as written, breaks an assertion.
    AssertionFails = "assertion-fails", Error;
    /// The last day of an exception has passed. It no longer opens anything.
    ExceptionExpired = "exception-expired", Warning;
    /// The policy allows what the exception asks for, so that it changes nothing.
    ExceptionNeedless = "exception-needless", Warning;

    /// A machine is a guest of itself, or of one of its own guests.
    GuestOfItself = "guest-of-itself", Error;
    /// A machine is a guest of one that runs no hypervisor.
    GuestWithoutHypervisor = "guest-without-hypervisor", Error;
    /// The guests of a machine are given more memory than it has.
    MemoryOvercommitted = "memory-overcommitted", Warning;
    /// The machines that run day and night use more power than the lab allows itself.
    PowerOverBudget = "power-over-budget", Error;
    /// Two things want the same port of the same address of a machine.
    PortTaken = "port-taken", Error;

    /// A disk is part of two pools, or of one pool twice.
    DiskTaken = "disk-taken", Error;
    /// The layout of a pool wants more disks than it has: a mirror of one disk is no mirror.
    TooFewDisks = "too-few-disks", Error;
    /// The disks of a mirror were bought in the same month: disks of one batch tend to fail together.
    DisksSameMonth = "disks-same-month", Warning;
    /// A dataset is on a pool that its machine does not have.
    NoSuchPool = "no-such-pool", Error;

    /// The machines of an order share no zone with the address that moves between them.
    AddressNotShared = "address-not-shared", Error;
    /// A service that clients ask by its address has several machines and no address of its own.
    OrderWithoutAddress = "order-without-address", Warning;
    /// A machine stands twice in one order.
    OrderRepeats = "order-repeats", Error;
    /// A service is to run on a machine that has no agent of Polis.
    MachineWithoutAgent = "machine-without-agent", Error;
    /// Everything that would tell you what is wrong runs on one machine, and dies with it.
    DiesTogether = "dies-together", Warning;
    /// A name server is told to ask itself.
    UpstreamIsSelf = "upstream-is-self", Error;
    /// A policy of the name servers is for somebody that nothing in the lab is called.
    NoSuchClient = "no-such-client", Error;
    /// A policy names a list that is not in `[dns.lists]`.
    NoSuchList = "no-such-list", Error;
    /// Two policies are for the same clients at the same times: nothing says which of them is followed.
    PolicyUnclear = "policy-unclear", Error;
    /// The lab has services that this version checks and plans, and does not run yet.
    NotRunYet = "not-run-yet", Warning;
    /// A secret that a service needs is not in the lab's folder of secrets.
    SecretNotThere = "secret-not-there", Warning;
    /// A secret is encrypted to others than those who need it now.
    SecretStale = "secret-stale", Warning;
    /// A value stands where only the name of a secret may: secrets are never written into the lab file.
    SecretInTheOpen = "secret-in-the-open", Error;

    /// An app is for a group that nobody is in.
    GroupIsEmpty = "group-is-empty", Error;
    /// An app asks for the login page, and the lab has no `[auth]`.
    LoginWithoutAuth = "login-without-auth", Error;
    /// An app is to be reached by a name, or to have the login page in front of it, and the lab has no `[proxy]`
    /// that would do it.
    AppWithoutProxy = "app-without-proxy", Warning;
    /// A compose file is not YAML, or not a compose file.
    ComposeSyntax = "compose-syntax", Error;
    /// The compose file has no such service, or several and the lab does not say which one serves.
    ComposeService = "compose-service", Error;
    /// A container keeps state outside any volume or declared data: it goes when the container goes, or is
    /// left out of every copy.
    StateOutsideData = "state-outside-data", Warning;
    /// A container keeps state at a place that a variable names, and nothing in the lab folder gives it a value:
    /// nobody knows whether a copy has it.
    StatePlaceUnknown = "state-place-unknown", Warning;
    /// An app keeps its data on a machine that is neither its own nor its host.
    DataElsewhere = "data-elsewhere", Error;

    /// Backup copies a machine onto itself.
    CopyOnItself = "copy-on-itself", Error;
    /// Data that no backup covers, and nobody said that it may be lost.
    DataWithoutBackup = "data-without-backup", Warning;
    /// Snapshots are thrown away before the next one is taken.
    KeptTooShort = "kept-too-short", Error;
    /// A restore drill wants to show data that no backup covers.
    DrillWithoutCopy = "drill-without-copy", Error;
}
