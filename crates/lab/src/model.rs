//! The lab as types: every table of the lab file, read once and never changed.
//!
//! The declarations in these modules are the single source of the lab file's shape: the reader, the printer,
//! the JSON schema, the reference in `docs/` and `polis explain` follow from them and from their comments.

mod apps;
mod dns;
mod lookup;
mod machines;
mod network;
mod people;
mod services;

pub use apps::{App, AppDatabase, DatabaseKind, Login, Serve, Tile};
pub use dns::{
    Blocking, BlockingMode, CacheSettings, ClientNetworks, Dns, DnsPolicy, Dnssec, Encrypted, QueryLog,
    QueryLogClients, RateLimit, Rebinding, SafeSearch, UpstreamMode,
};
pub use lookup::{Party, Placed, ServiceName, Who};
pub use machines::{
    DatasetName, Device, Disk, GuestKind, Hardware, Hypervisor, Layout, Link, Machine, Pool, PoolKind, Runs,
    Via, ViaEnd,
};
pub use network::{
    AccessPoint, AccessPointKind, Advertise, Bfd, Bgp, CableEnd, Exception, Over, PolicyRow, PolicyRowName,
    PolicyService, Prefer, Reach, Router, RouterKind, Ssid, Switch, SwitchKind, SwitchPort, Tunnel,
    TunnelKind, Zone,
};
pub use people::{About, Naming, Person, Portal, PowerBudget, Site};
pub use services::{
    Alert, Auth, AuthDefault, Backup, BackupClass, Bastion, CertificateSource, Certificates, Challenge,
    Dataset, DockerDiscovery, Drill, GitKind, GitMirror, Logs, Metrics, Notify, Offsite, OffsiteKind, Order,
    Probe, Proxy, Push, Record, Scrape, Snapshots, Vpn, Watch,
};

use crate::names::{
    AccessPointName, AppName, DeviceName, Label, MachineName, PersonName, RouterName, SiteName, SwitchName,
    TunnelName, ZoneName,
};
use crate::policy::Sentence;
use crate::read::{Map, Value, table};

table! {
    /// A lab: what is true of it.
    pub struct Lab {
        /// What the lab is called, and where its names live.
        lab: About = required;
        /// The houses and data centres that machines stand in.
        sites: Map<SiteName, Site> = default(Map::default());
        /// Who may log in, and who is told what.
        people: Map<PersonName, Person> = default(Map::default());
        /// The start page.
        portal: Portal = optional("a page titled as the lab is named");
        /// The networks.
        zones: Map<ZoneName, Zone> = default(Map::default());
        /// The routers between them.
        routers: Map<RouterName, Router> = default(Map::default());
        /// The switches.
        switches: Map<SwitchName, Switch> = default(Map::default());
        /// The access points.
        access_points: Map<AccessPointName, AccessPoint> = default(Map::default());
        /// The tunnels between routers.
        tunnels: Map<TunnelName, Tunnel> = default(Map::default());
        /// How routers tell each other the way.
        bgp: Bgp = optional("routers learn no routes from each other");
        /// Which zone may open what. What is not here may not; replies always pass.
        policy: Map<PolicyRowName, PolicyRow> = default(Map::default());
        /// Single openings in the policy, with a reason and a last day.
        exceptions: Map<Label, Exception> = default(Map::default());
        /// What must never stop to be true: sentences that are proved against the policy at every check.
        assert: Map<Label, Sentence> = default(Map::default());
        /// The machines that Polis looks after.
        machines: Map<MachineName, Machine> = default(Map::default());
        /// Things on the network that run nothing of ours.
        devices: Map<DeviceName, Device> = default(Map::default());
        /// The name servers.
        dns: Dns = optional("the lab answers no names");
        /// The reverse proxy in front of the apps.
        proxy: Proxy = optional("apps are reached at the address and port of their machine");
        /// The login page.
        auth: Auth = optional("no app has a login in front of it");
        /// Measurements of machines and apps.
        metrics: Metrics = optional("nothing is measured");
        /// The logs of machines, apps and network devices.
        logs: Logs = optional("logs stay where they arise");
        /// Probes, push monitors and notifications.
        watch: Watch = optional("nobody looks whether things answer");
        /// Snapshots, copies, offsite copies and restore drills.
        backup: Backup = optional("nothing has a copy");
        /// What is different for single datasets.
        datasets: Map<DatasetName, Dataset> = default(Map::default());
        /// Access from outside.
        vpn: Vpn = optional("nobody comes in from outside");
        /// Audited SSH.
        bastion: Bastion = optional("machines are reached by SSH directly, where the policy lets one");
        /// Copies of git repositories that live elsewhere.
        git_mirrors: Map<Label, GitMirror> = default(Map::default());
        /// What people use.
        apps: Map<AppName, App> = default(Map::default());
    }
}

impl Lab {
    /// The lab as TOML: only what was written, the members of clusters as machines. It reads back as the same
    /// lab.
    pub fn to_toml(&self) -> String {
        Value::print(self).document()
    }
}
