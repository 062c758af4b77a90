//! The name servers and their policies.

use crate::model::Order;
use crate::names::Label;
use crate::read::{At, Map, Number, OneOrMany, choice, table};
use crate::value::{
    Address, Cidr, Domain, Duration, ListSource, Pattern, RecordName, RecordText, Size, Text, Upstream,
    UpstreamLine, Window,
};

table! {
    /// The name servers: they answer the lab's names, ask others for the rest, and filter.
    pub struct Dns {
        /// Where they run.
        on: Order = required;
        /// The address that clients ask, which moves between the machines.
        address: Address = optional("that of the machine");
        /// The name servers that the rest is asked of. Each is written as `9.9.9.9`, `tls://dns.quad9.net`, `https://dns.quad9.net/dns-query`,
        /// `tcp://9.9.9.9`; `[/corp.example/]10.0.0.1` is for one domain and what is under it.
        upstreams: Vec<At<UpstreamLine>> = required;
        /// Which of them is asked.
        mode: UpstreamMode = default(UpstreamMode::Order);
        /// Plain servers that the names of encrypted upstreams are looked up at.
        bootstrap: Vec<At<Upstream>> = optional("the plain upstreams, or else 9.9.9.9 and 1.1.1.1");
        /// Upstreams that are asked when none of the others has an answer.
        fallback: Vec<At<Upstream>> = default(Vec::new());
        /// How long a question may take in all.
        timeout: Duration = default(Duration::seconds(5));
        /// Whether answers are checked against the signatures of their zones.
        dnssec: Dnssec = default(Dnssec::Validate);
        /// Domains that are not checked, because theirs are known to be broken or only known inside (RFC 7646).
        insecure: Vec<At<Domain>> = default(Vec::new());
        /// How long answers are kept, and how many.
        cache: CacheSettings = optional("16 MiB of answers, each for as long as it says");
        /// Lists of names to block, by a name of your choice.
        lists: Map<Label, ListSource> = default(Map::default());
        /// Lists of names that nothing blocks.
        allow_lists: Map<Label, ListSource> = default(Map::default());
        /// How often lists are fetched.
        refresh: Duration = default(Duration::seconds(86_400));
        /// Rules of your own, in the language of AdGuard's DNS filters.
        rules: Vec<At<Text>> = default(Vec::new());
        /// Names with another answer: an address, or another name. `A` and `AAAA` keep what upstreams say of that type.
        rewrites: Map<Pattern, OneOrMany<Text>> = default(Map::default());
        /// More records of the lab: `TXT some text`, `MX 10 mail.example`, `SRV 0 5 5060 host.example`.
        records: Map<RecordName, OneOrMany<RecordText>> = default(Map::default());
        /// Services that are blocked, such as `tiktok`.
        services: Vec<At<Text>> = default(Vec::new());
        /// Searches that leave out what is not for children.
        safe_search: Vec<At<SafeSearch>> = default(Vec::new());
        /// What a blocked name answers.
        blocking: Blocking = optional("the address of nothing, for ten seconds");
        /// Protection against names of outside that lead into the lab (DNS rebinding).
        rebinding: Rebinding = optional("answers from outside with private addresses are refused");
        /// How much one client may ask.
        limit: RateLimit = optional("1,000 questions a second");
        /// Who may ask besides zones and private networks, and who may not.
        clients: ClientNetworks = optional("zones and private networks may ask");
        /// Encrypted ways to ask, with a certificate of the lab's own authority.
        encrypted: Vec<At<Encrypted>> = default(Vec::new());
        /// The log of questions.
        log: QueryLog = optional("30 days, 256 MiB at most");
        /// What is different for some clients.
        policies: Map<Label, DnsPolicy> = default(Map::default());
    }
}

table! {
    /// What is different for some clients. The policy whose `who` says it most exactly is followed.
    pub struct DnsPolicy {
        /// For whom: zones, networks, addresses, MAC addresses, devices, machines, people, or `id:NAME` for clients that
        /// say that name over TLS or HTTPS.
        who: OneOrMany<Text> = required;
        /// The lists that hold for them, by name.
        lists: Vec<At<Label>> = optional("all lists of `[dns]`");
        /// Rules for them, beside those of `[dns]`.
        rules: Vec<At<Text>> = default(Vec::new());
        /// Services that are blocked for them.
        services: Vec<At<Text>> = optional("those of `[dns]`");
        /// Searches that leave out what is not for children.
        safe_search: Vec<At<SafeSearch>> = optional("as `[dns]` says");
        /// The name servers that are asked for them.
        upstreams: Vec<At<UpstreamLine>> = optional("those of `[dns]`");
        /// When it holds, in the lab's time zone.
        when: OneOrMany<Window> = optional("always");
        /// What `$ctag` in rules calls these clients: `device_phone`, `os_ios`, `user_child`.
        tags: Vec<At<Text>> = default(Vec::new());
        /// Whether their questions stand in the log.
        log: bool = default(true);
    }
}

choice! {
    /// Which upstream is asked.
    pub enum UpstreamMode {
        /// The first; the next one when it has no answer.
        Order = "order",
        /// All of them at once: the first answer counts.
        Parallel = "parallel",
        /// The one that has been the fastest.
        Fastest = "fastest",
        /// Each in turn, faster ones more often.
        LoadBalance = "load-balance",
    }
}

choice! {
    /// Whether answers are checked against the signatures of their zones (RFC 4035).
    pub enum Dnssec {
        /// They are: a forged answer is none.
        Validate = "validate",
        /// They are passed on as they come.
        Off = "off",
    }
}

table! {
    /// How long answers are kept, and how many.
    pub struct CacheSettings or size {
        /// How much memory they may take.
        size: Size = default(Size::mebibytes(16));
        /// The shortest time that one is kept, whatever it says.
        shortest: Duration = optional("as it says");
        /// The longest time.
        longest: Duration = default(Duration::seconds(86_400));
        /// How long after its time an answer is still given when no upstream answers (RFC 8767).
        stale: Duration = default(Duration::seconds(86_400));
        /// Whether an answer that is asked for often is asked for again before its time is over.
        prefetch: bool = default(true);
    }
}

choice! {
    /// A search that can leave out what is not for children.
    pub enum SafeSearch {
        /// All of them.
        All = "all",
        /// Google.
        Google = "google",
        /// Bing.
        Bing = "bing",
        /// DuckDuckGo.
        Duckduckgo = "duckduckgo",
        /// Ecosia.
        Ecosia = "ecosia",
        /// Pixabay.
        Pixabay = "pixabay",
        /// Yandex.
        Yandex = "yandex",
        /// YouTube.
        Youtube = "youtube",
    }
}

table! {
    /// What a blocked name answers.
    pub struct Blocking or mode {
        /// The kind of answer.
        mode: BlockingMode = default(BlockingMode::Default);
        /// The addresses for `mode = "address"`, one of IPv4 and one of IPv6.
        addresses: OneOrMany<Address> = optional("none, which `mode = \"address\"` can not do without");
        /// How long a client may keep it.
        ttl: Duration = default(Duration::seconds(10));
    }
}

choice! {
    /// The kind of answer that a blocked name has.
    pub enum BlockingMode {
        /// The address of nothing, or that of the line of a hosts file; no record for other types.
        Default = "default",
        /// The address of nothing.
        Null = "null",
        /// That there is no such name.
        Nxdomain = "nxdomain",
        /// That there is no such record.
        Nodata = "nodata",
        /// A refusal.
        Refused = "refused",
        /// An address of yours.
        Address = "address",
    }
}

table! {
    /// Protection against names of outside that lead into the lab.
    pub struct Rebinding or protect {
        /// Whether answers from outside with private addresses are refused.
        protect: bool = default(true);
        /// Domains whose answers may have them.
        allow: Vec<At<Domain>> = default(Vec::new());
    }
}

table! {
    /// How much one client may ask.
    pub struct RateLimit or per_second {
        /// Questions a second, with as many again at once.
        per_second: Number<1, 1000000> = default(Number(1000));
        /// Networks without a limit.
        exempt: Vec<At<Cidr>> = default(Vec::new());
    }
}

table! {
    /// Who may ask besides zones and private networks, and who may not.
    pub struct ClientNetworks {
        /// Networks of others that may ask.
        allow: Vec<At<Cidr>> = default(Vec::new());
        /// Networks that get no answer.
        deny: Vec<At<Cidr>> = default(Vec::new());
    }
}

choice! {
    /// An encrypted way to ask.
    pub enum Encrypted {
        /// Over TLS, at port 853 (RFC 7858).
        Tls = "tls",
        /// Over HTTPS, at port 443 of the service's own address (RFC 8484).
        Https = "https",
    }
}

table! {
    /// The log of questions.
    pub struct QueryLog {
        /// How long questions stay in it.
        keep: Duration = default(Duration::seconds(30 * 86_400));
        /// How much room it may take.
        size: Size = default(Size::mebibytes(256));
        /// Whether it says who asked.
        clients: QueryLogClients = default(QueryLogClients::Full);
        /// Whether nothing is written at all.
        off: bool = default(false);
    }
}

choice! {
    /// How exactly the log says who asked.
    pub enum QueryLogClients {
        /// By the address.
        Full = "full",
        /// By the network: the last 8 bits of an IPv4 address and the last 80 of an IPv6 address are left out.
        Anonymous = "anonymous",
    }
}

impl Encrypted {
    /// The port of TCP that it is at.
    pub fn port(self) -> u16 {
        match self {
            Self::Tls => 853,
            Self::Https => 443,
        }
    }
}
