//! Machines, their disks and pools, and devices.

use crate::names::{Label, MachineName, Noun, PersonName, ZoneName, why_no_label};
use crate::print::Toml;
use crate::read::{
    At, FromText, Map, MapKey, Number, OneOrMany, Reader, Shape, TextInfo, Value, Wrong, choice, read_text,
    table,
};
use crate::source::Span;
use crate::tree::Node;
use crate::value::{Address, Date, Mac, Port, Power, PublicKey, Size, Text};

table! {
    /// A machine that Polis looks after: of metal, or a guest of one.
    ///
    /// `[clusters.NAME]` takes the same keys for several machines at once, and their names in `machines`.
    pub struct Machine {
        /// The zone that it is in.
        zone: ZoneName = optional("the zone whose network holds its address");
        /// Its address; one of IPv4 and one of IPv6 for both.
        address | "addresses": OneOrMany<Address> = optional("its router gives it one, and it has no name");
        /// The public half of its key pair, as `polis machine key` prints it there.
        key: PublicKey = optional("it is not enrolled: other machines do not speak to it, and no secret is encrypted to it");
        /// What it is made of.
        hardware: Hardware = optional("nothing is known of it");
        /// How much memory it has.
        memory: Size = optional("unknown");
        /// How many cores it has.
        cores: Number<1, 1024> = optional("those of its hardware, or of its host");
        /// What runs guests on it.
        hypervisor: Hypervisor = optional("it has no guests");
        /// The machine that it is a guest of.
        guest_of: MachineName = optional("it is a machine of its own");
        /// What kind of guest it is.
        kind: GuestKind = optional("a virtual machine, if it is a guest");
        /// What is installed on it.
        image: Text = optional("Debian");
        /// What it runs apps with.
        runs: Runs = optional("apps on it are set up by hand");
        /// Whether Polis runs on it. What has no agent is probed from outside.
        agent: bool = default(true);
        /// How it is connected.
        link: Link = default(Link::Cable);
        /// Its way into the lab's network, for a machine elsewhere.
        via: Via = optional("it is connected to the router of its site");
        /// Its administrative ports.
        panels: Vec<At<Port>> = default(Vec::new());
        /// Its disks, by a name of your choice.
        disks: Map<Label, Disk> = default(Map::default());
        /// Its pools of storage.
        pools: Map<Label, Pool> = default(Map::default());
        /// Hardware of the host that it is given.
        devices: Vec<At<Text>> = default(Vec::new());
        /// The cluster that it is part of.
        cluster: Label = optional("none");
    }
}

table! {
    /// What a machine is made of.
    pub struct Hardware {
        /// Its processor, or its make and model.
        cpu: Text = optional("unknown");
        /// What it draws from the wall, on average.
        power: Power = optional("it is not counted");
    }
}

choice! {
    /// What runs guests.
    pub enum Hypervisor {
        /// Proxmox VE.
        Proxmox = "proxmox",
        /// Libvirt with KVM.
        Libvirt = "libvirt",
        /// Incus.
        Incus = "incus",
    }
}

choice! {
    /// A kind of guest.
    pub enum GuestKind {
        /// A system container.
        Lxc = "lxc",
        /// A virtual machine.
        Vm = "vm",
    }
}

choice! {
    /// What runs apps.
    pub enum Runs {
        /// Docker with compose.
        Docker = "docker",
    }
}

choice! {
    /// How a machine is connected.
    pub enum Link {
        /// By a cable.
        Cable = "cable",
        /// By wireless.
        Wifi = "wifi",
    }
}

table! {
    /// The way of a machine into the lab's network.
    pub struct Via {
        /// A WireGuard peer of this: a router, or `vpn` for the lab's own VPN.
        wireguard: ViaEnd = required;
    }
}

/// The other end of a machine's own tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ViaEnd {
    /// The lab's VPN.
    Vpn,
    /// A router.
    Router(String),
}

impl Value for ViaEnd {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let Some(name) = node.text() else {
            reader.wrong_kind(node, "the name of a router, or `vpn`,", "\"vpn\"");
            return None;
        };
        if name == "vpn" {
            return Some(Self::Vpn);
        }
        reader.refer(&[Noun::Router], name, node.span);
        Some(Self::Router(name.to_owned()))
    }

    fn print(&self) -> Toml {
        Toml::Text(match self {
            Self::Vpn => "vpn".to_owned(),
            Self::Router(name) => name.clone(),
        })
    }

    fn shape() -> Shape {
        Shape::Text(TextInfo::new("the name of a router, or `vpn`", "vpn", None))
    }
}

impl ViaEnd {
    /// The router, if it is one.
    pub fn router(&self) -> Option<&str> {
        match self {
            Self::Vpn => None,
            Self::Router(name) => Some(name),
        }
    }
}

table! {
    /// A disk.
    pub struct Disk or size {
        /// How much fits on it.
        size: Size = required;
        /// The day it was bought. Disks of one batch tend to fail together.
        bought: Date = optional("unknown");
    }
}

table! {
    /// A pool of storage made of disks.
    pub struct Pool {
        /// Its file system.
        kind: PoolKind = required;
        /// How the disks are put together.
        layout: Layout = default(Layout::Stripe);
        /// The disks, by their names.
        disks: Vec<At<Label>> = required;
    }
}

choice! {
    /// The file system of a pool.
    pub enum PoolKind {
        /// OpenZFS.
        Zfs = "zfs",
        /// Btrfs.
        Btrfs = "btrfs",
    }
}

choice! {
    /// How disks are put together.
    pub enum Layout {
        /// One after the other: the pool is lost with the first disk that fails.
        Stripe = "stripe",
        /// Every disk holds everything.
        Mirror = "mirror",
        /// One disk may fail.
        Raidz1 = "raidz1",
        /// Two disks may fail.
        Raidz2 = "raidz2",
        /// Three disks may fail.
        Raidz3 = "raidz3",
    }
}

impl Layout {
    /// The fewest disks that it makes sense with.
    pub fn fewest_disks(self) -> usize {
        match self {
            Self::Stripe => 1,
            Self::Mirror | Self::Raidz1 => 2,
            Self::Raidz2 => 3,
            Self::Raidz3 => 4,
        }
    }
}

table! {
    /// A thing on the network, or several of the same kind, that run nothing of ours.
    pub struct Device {
        /// The zone that it is in.
        zone: ZoneName = optional("the zone whose network holds its address");
        /// Its address, or `addresses` for several things of the same kind.
        address | "addresses": OneOrMany<Address> = optional("its router gives it one, and it has no name");
        /// Its MAC address.
        mac: Mac = optional("it is known by its address only");
        /// Whose it is: the policies of its person are followed for it.
        of: PersonName = optional("it is nobody's");
        /// Ports that other zones may use if their row lists `users`.
        offers: Vec<At<Port>> = default(Vec::new());
    }
}

/// A dataset: `MACHINE:POOL` or `MACHINE:POOL/PATH`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatasetName {
    text: String,
    colon: usize,
}

impl DatasetName {
    /// The whole pool of a machine.
    pub(crate) fn of_pool(machine: &MachineName, pool: &Label) -> Self {
        Self { text: format!("{machine}:{pool}"), colon: machine.as_str().len() }
    }

    /// The machine that it is on.
    pub fn machine(&self) -> &str {
        self.text.get(..self.colon).unwrap_or("")
    }

    /// The pool and the path in it: `tank/photos`.
    pub fn path(&self) -> &str {
        self.text.get(self.colon + 1..).unwrap_or("")
    }

    /// The pool that it is on.
    pub fn pool(&self) -> &str {
        self.path().split('/').next().unwrap_or("")
    }

    /// Where the machine and its guests find it: `/tank/photos`.
    pub fn mount_point(&self) -> String {
        format!("/{}", self.path())
    }

    /// Whether `other` is this dataset or in it.
    pub fn holds(&self, other: &Self) -> bool {
        match other.text.strip_prefix(&self.text) {
            Some(rest) => rest.is_empty() || rest.starts_with('/'),
            None => false,
        }
    }
}

impl FromText for DatasetName {
    const INFO: TextInfo = TextInfo::new(
        "a dataset (`MACHINE:POOL/PATH`)",
        "larissa:tank/photos",
        Some("^[a-z0-9-]+:[A-Za-z0-9_.-]+(/[A-Za-z0-9_. -]+)*$"),
    );

    fn from_text(text: &str) -> Result<Self, Wrong> {
        let Some((machine, path)) = text.split_once(':') else {
            return Err(Wrong::new("the machine is missing").help(format!("write \"MACHINE:{text}\"")));
        };
        if let Some(why) = why_no_label(machine) {
            return Err(Wrong { why, part: Some(0..machine.len()), ..Wrong::default() });
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "_.- ".contains(c);
        let bad = path.split('/').find(|part| {
            part.is_empty()
                || *part == "."
                || *part == ".."
                || !part.chars().all(fits)
                || part.trim() != *part
        });
        match bad {
            Some("") => Err(Wrong::new("a part of the path is empty")),
            Some(part) => Err(Wrong::new(format!("`{}` can not be a part of the path", part.escape_debug()))),
            None if text.len() > 255 => Err(Wrong::new("it is longer than 255 characters")),
            None => Ok(Self { text: text.to_owned(), colon: machine.len() }),
        }
    }

    fn to_text(&self) -> String {
        self.text.clone()
    }
}

impl std::fmt::Display for DatasetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

fn refer_to_machine(dataset: &DatasetName, span: Span, reader: &mut Reader) {
    reader.refer(&[Noun::Machine], dataset.machine(), span);
}

impl Value for DatasetName {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let dataset: Self = read_text(node, reader)?;
        let machine = node.part(0..dataset.colon);
        refer_to_machine(&dataset, machine, reader);
        Some(dataset)
    }

    fn print(&self) -> Toml {
        Toml::Text(self.text.clone())
    }

    fn shape() -> Shape {
        Shape::Text(<Self as FromText>::INFO)
    }
}

impl MapKey for DatasetName {
    const INFO: TextInfo = <Self as FromText>::INFO;

    fn read_key(key: &str, span: Span, reader: &mut Reader) -> Option<Self> {
        let dataset: Self = crate::read::read_text_key(key, span, reader)?;
        refer_to_machine(&dataset, span, reader);
        Some(dataset)
    }

    fn to_key(&self) -> String {
        self.text.clone()
    }
}

impl Machine {
    /// The name of the router that it reaches the lab through, if it is one.
    pub fn via_router(&self) -> Option<&str> {
        self.via.as_ref().and_then(|via| via.wireguard.router())
    }
}
