//! The services of the lab: one table each, named as the service is.

use crate::model::DatasetName;
use crate::names::{Label, MachineName};
use crate::read::{At, Map, Number, OneOrMany, choice, table};
use crate::value::{Address, Duration, Endpoint, HostName, Rate, SecretRef, StorageUrl, Text, Url};

/// An order of machines: the first serves, the next takes over.
pub type Order = OneOrMany<MachineName>;

table! {
    /// The reverse proxy in front of the apps.
    pub struct Proxy {
        /// Where it runs.
        on: Order = required;
        /// The address that clients ask, which moves between the machines.
        address: Address = optional("that of the machine");
        /// Where its certificates come from.
        certificates: Certificates = optional("the lab's own authority, which devices have to be told to trust");
        /// Whether it follows the labels of containers.
        docker: DockerDiscovery = default(DockerDiscovery::Off);
    }
}

table! {
    /// Where certificates come from.
    pub struct Certificates {
        /// The authority.
        from: CertificateSource = default(CertificateSource::Letsencrypt);
        /// How the authority is shown that the names are yours.
        challenge: Challenge = default(Challenge::Http);
        /// The company that runs your public DNS, for `challenge = "dns"`.
        provider: Text = optional("none, which `challenge = \"dns\"` can not do without");
        /// The key to its interface.
        token: SecretRef = optional("none, which `challenge = \"dns\"` can not do without");
    }
}

choice! {
    /// An authority for certificates.
    pub enum CertificateSource {
        /// Let's Encrypt.
        Letsencrypt = "letsencrypt",
        /// Let's Encrypt's authority for tests, which nobody trusts.
        LetsencryptStaging = "letsencrypt-staging",
        /// The lab's own authority.
        Lab = "lab",
    }
}

choice! {
    /// How an authority is shown that a name is yours (RFC 8555 section 8).
    pub enum Challenge {
        /// By a record in public DNS: the only way to a wildcard, and the one that needs no open port.
        Dns = "dns",
        /// By an answer on port 80.
        Http = "http",
        /// By an answer on port 443 (RFC 8737).
        TlsAlpn = "tls-alpn",
    }
}

choice! {
    /// Whether containers tell the proxy about themselves.
    pub enum DockerDiscovery {
        /// They do not.
        Off = "off",
        /// By `traefik.*` labels.
        Labels = "labels",
    }
}

table! {
    /// The login page, and who may go on behind it.
    pub struct Auth {
        /// Where it runs.
        on: Order = required;
        /// The address that moves between its machines, if it is not behind the proxy.
        address: Address = optional("it is behind the proxy");
        /// Its name under the lab's domain.
        host: HostName = default(HostName::known("auth"));
        /// What is asked of people where nothing else is said.
        default: AuthDefault = default(AuthDefault::TwoFactor);
    }
}

choice! {
    /// What is asked of people.
    pub enum AuthDefault {
        /// A password, or a passkey.
        OneFactor = "one-factor",
        /// A password and a second proof, or a passkey.
        TwoFactor = "two-factor",
        /// Nobody gets in unless a rule lets them.
        Deny = "deny",
    }
}

table! {
    /// Measurements of machines, services and apps.
    pub struct Metrics {
        /// Where they are collected.
        on: Order = required;
        /// The address that moves between its machines.
        address: Address = optional("that of the machine");
        /// How long they are kept.
        keep: Duration = default(Duration::months(12));
        /// More things to measure, besides machines and apps, which are measured without a word.
        scrape: Map<Label, Scrape> = default(Map::default());
        /// When to tell somebody.
        alerts: Map<Label, Alert> = default(Map::default());
    }
}

table! {
    /// A thing that tells its measurements in the format of Prometheus.
    pub struct Scrape {
        /// Where.
        target: Endpoint = required;
        /// The name that its measurements are kept under.
        job: Text = optional("the name of the entry");
        /// The path there.
        path: Text = optional("/metrics");
        /// How often.
        every: Duration = default(Duration::seconds(15));
    }
}

table! {
    /// When to tell somebody.
    pub struct Alert {
        /// A PromQL expression: it is true as long as it has a result.
        when: Text = required;
        /// How long it has to be true.
        r#for: Duration = optional("at once");
        /// What to say. `{{ machine }}` and other labels are filled in.
        say: Text = required;
    }
}

table! {
    /// The logs of machines, apps and network devices.
    pub struct Logs {
        /// Where they are collected.
        on: Order = required;
        /// The address that moves between its machines.
        address: Address = optional("that of the machine");
        /// How long they are kept.
        keep: Duration = default(Duration::seconds(90 * 86_400));
        /// Whether routers, switches and access points may send theirs (RFC 5424 and RFC 3164, port 514).
        syslog: bool = default(false);
    }
}

table! {
    /// Probes, push monitors and notifications. Machines, routers and apps are probed without a word.
    pub struct Watch {
        /// Where probes run.
        on: Order = required;
        /// The address that moves between its machines.
        address: Address = optional("that of the machine");
        /// Machines that look at what is published from outside.
        from: Vec<At<MachineName>> = default(Vec::new());
        /// More things to probe.
        probes: Map<Label, Probe> = default(Map::default());
        /// Jobs that report that they have run.
        pushes: Map<Label, Push> = default(Map::default());
        /// Who is told.
        notify: Map<Label, Notify> = default(Map::default());
    }
}

table! {
    /// A probe: one of `http`, `ping`, `tcp`, `dns`.
    pub struct Probe {
        /// A page that has to be there.
        http: Url = optional("it is another kind of probe");
        /// A text that has to be on the page.
        expect: Text = optional("any page will do");
        /// A host that has to answer to ping.
        ping: Text = optional("it is another kind of probe");
        /// A port that has to be open.
        tcp: Endpoint = optional("it is another kind of probe");
        /// A name that has to have an address.
        dns: Text = optional("it is another kind of probe");
        /// How often.
        every: Duration = default(Duration::seconds(60));
    }
}

table! {
    /// A job elsewhere that reports that it has run.
    pub struct Push {
        /// How often it should report.
        every: Duration = required;
        /// How much later than that is still in time.
        grace: Duration = default(Duration::seconds(60));
    }
}

table! {
    /// Who is told: one of `ntfy`, `email`, `webhook`.
    pub struct Notify {
        /// A server of ntfy.
        ntfy: Url = optional("it is another kind of notification");
        /// The topic there. Who knows it can read it.
        topic: SecretRef = optional("none, which ntfy can not do without");
        /// A mail address.
        email: Text = optional("it is another kind of notification");
        /// A URL that takes a message in JSON.
        webhook: Url = optional("it is another kind of notification");
        /// What the webhook asks for.
        token: SecretRef = optional("nothing");
    }
}

table! {
    /// Snapshots, copies, offsite copies and restore drills.
    pub struct Backup {
        /// The machine that the copies are on. It pulls; nobody pushes to it.
        on: MachineName = required;
        /// The pool there that they are in.
        pool: Label = required;
        /// The machines that are copied: all their datasets and the disks of their guests, unless a dataset
        /// says otherwise.
        take: Vec<At<MachineName>> = required;
        /// When snapshots are taken, and how long they are kept.
        snapshots: Snapshots = optional("one an hour, kept for two weeks");
        /// Copies outside the house.
        offsite: Map<Label, Offsite> = default(Map::default());
        /// Proof that what was copied can be had back.
        drill: Drill = optional("nobody knows whether the copies can be restored");
    }
}

table! {
    /// When snapshots are taken, and how long they are kept.
    pub struct Snapshots {
        /// How often.
        every: Duration = default(Duration::seconds(3600));
        /// How long.
        keep: Duration = default(Duration::seconds(14 * 86_400));
    }
}

table! {
    /// A copy outside the house, as an encrypted restic repository.
    pub struct Offsite {
        /// What keeps it.
        kind: OffsiteKind = required;
        /// Where.
        endpoint: Url = required;
        /// The bucket there.
        bucket: Text = required;
        /// The key to it: `ID:SECRET`.
        key: SecretRef = required;
        /// The password of the repository. Without it the copy can not be read by anyone.
        password: SecretRef = required;
        /// How often.
        every: Duration = default(Duration::seconds(86_400));
        /// The most that may go out.
        limit: Rate = optional("as fast as the line is");
    }
}

choice! {
    /// What keeps a copy outside the house.
    pub enum OffsiteKind {
        /// An object store that speaks S3.
        S3 = "s3",
    }
}

table! {
    /// Proof that what was copied can be had back: files are restored from every copy and compared.
    pub struct Drill {
        /// How often.
        every: Duration = required;
        /// How many files.
        files: Number<1, 1000> = default(Number(5));
        /// A dataset whose restored pictures are shown to the owner.
        show: DatasetName = optional("nothing is shown");
    }
}

table! {
    /// What is different for one dataset and what is in it.
    pub struct Dataset {
        /// What is done for it.
        backup: BackupClass = default(BackupClass::Full);
        /// Whether it is copied outside the house.
        offsite: bool = default(true);
    }
}

choice! {
    /// What is done so that data is not lost.
    pub enum BackupClass {
        /// Snapshots, a copy, an offsite copy and restore drills.
        Full = "full",
        /// Nothing: it may be lost.
        None = "none",
    }
}

table! {
    /// Access from outside: WireGuard.
    pub struct Vpn {
        /// Where it runs.
        on: Order = required;
        /// The address that moves between its machines.
        address: Address = optional("that of the machine");
        /// The name and the port that it is reached at from outside.
        endpoint: Endpoint = required;
    }
}

table! {
    /// Audited SSH: certificates instead of keys, every session recorded.
    pub struct Bastion {
        /// Where it runs.
        on: Order = required;
        /// The address that clients ask, which moves between the machines.
        address: Address = optional("that of the machine");
        /// Where recordings go.
        record: Record = optional("they stay on the machine");
    }
}

table! {
    /// Where recordings go.
    pub struct Record {
        /// The bucket.
        to: StorageUrl = required;
        /// The key to it.
        key: SecretRef = required;
        /// How long they are kept.
        keep: Duration = default(Duration::months(12));
    }
}

table! {
    /// Copies of git repositories that live elsewhere.
    pub struct GitMirror {
        /// What they live on.
        kind: GitKind = required;
        /// Whose they are.
        user: Text = required;
        /// The address of the forge.
        url: Url = optional("that of GitHub");
        /// The key to it.
        token: SecretRef = optional("only public repositories are copied");
        /// How often.
        every: Duration = default(Duration::seconds(86_400));
        /// The dataset that they are kept in.
        into: DatasetName = required;
    }
}

choice! {
    /// What repositories live on.
    pub enum GitKind {
        /// GitHub.
        Github = "github",
        /// GitLab.
        Gitlab = "gitlab",
        /// Forgejo, and Gitea.
        Forgejo = "forgejo",
    }
}
