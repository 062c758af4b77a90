//! A lab that stands: finding places in it, adding laptops, and cutting cables.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use lab::model::Lab;
use lab::{Folder, Options};

use crate::build::{self, INTERNET, Port, UPLINK};
use crate::layout::{Host, Layout};
use crate::log::Logs;
use crate::place::{Place, Shared, ip, run};
use crate::unit::{Service, Unit};
use crate::{leftovers, report, root};

/// The most laptops and other things in a house.
const PLUGS: usize = 1000;
/// How long the kernel may take to notice that a cable was pulled or plugged in.
const NOTICE_WITHIN: Duration = Duration::from_secs(5);

/// A lab in network namespaces. It is gone when this is dropped.
#[derive(Debug)]
pub struct House {
    layout: Layout,
    /// Where each host is plugged in, laptops too.
    ports: Mutex<Vec<(Host, Port)>>,
    /// Places that a test asked for: the ones to report of.
    asked: Mutex<BTreeSet<String>>,
    shared: Arc<Shared>,
}

impl House {
    /// Builds a lab.
    ///
    /// # Errors
    ///
    /// A machine that is in no zone, an address outside its zone, and whatever the kernel refuses.
    pub fn build(lab: &Lab) -> anyhow::Result<Self> {
        leftovers::sweep();
        let layout = Layout::of(lab)?;
        let prefix = leftovers::fresh();
        let scratch = std::env::temp_dir().join(&prefix);
        std::fs::create_dir(&scratch).with_context(|| format!("making {}", scratch.display()))?;
        let logs = Logs::in_folder(root().join("target/testlab").join(&prefix));
        let ports: anyhow::Result<Vec<Port>> =
            (0..).zip(&layout.hosts).map(|(number, host)| build::port(&layout, host, number)).collect();
        let ports = ports?;
        let shared = Arc::new(Shared { prefix, scratch, logs });
        let plugged = layout.hosts.iter().cloned().zip(ports.iter().cloned()).collect();
        // It is a house from here on, so that half of one is removed too.
        let house = Self { layout, ports: Mutex::new(plugged), asked: Mutex::default(), shared };
        build::build(&house.shared, &house.layout, &ports)?;
        Ok(house)
    }

    /// Builds the lab of a folder, which must have no errors.
    ///
    /// # Errors
    ///
    /// Those of the lab file as text, and of [`House::build`].
    pub fn open(folder: &Path) -> anyhow::Result<Self> {
        let checked = lab::check(Folder::open(folder)?, &Options::at("2026-11-01"));
        let wrong = || lab::render_text(&checked.faults, &checked.folder, lab::Style::Plain);
        Self::build(checked.usable().with_context(wrong)?)
    }

    /// A machine, a device, a switch or an access point of the lab.
    #[track_caller]
    pub fn machine(&self, name: &str) -> Place {
        let host = self.layout.hosts.iter().find(|host| host.name == name);
        let host = host.unwrap_or_else(|| panic!("there is no machine `{name}`"));
        self.place(name, host.addresses.clone(), build::CABLE)
    }

    /// A router of the lab.
    #[track_caller]
    pub fn router(&self, name: &str) -> Place {
        let router = self.layout.routers.iter().find(|router| router.name == name);
        let router = router.unwrap_or_else(|| panic!("there is no router `{name}`"));
        let zones = self.layout.zones.iter().filter(|zone| router.is_gateway && zone.site == router.site);
        let addresses = zones.flat_map(|zone| {
            let gateways = zone.gateways.iter().zip(&zone.networks);
            gateways.filter_map(|(gateway, network)| ipnet::IpNet::new(*gateway, network.prefix_len()).ok())
        });
        self.place(name, addresses.collect(), UPLINK)
    }

    /// Everything outside the lab: the addresses of its upstreams, and the other end of the routers' uplinks.
    pub fn internet(&self) -> Place {
        self.place(INTERNET, self.layout.upstreams.iter().map(|address| (*address).into()).collect(), UPLINK)
    }

    /// What the names of everything of it begin with: namespaces, control groups, folders.
    pub fn prefix(&self) -> &str {
        &self.shared.prefix
    }

    fn place(&self, name: &str, addresses: Vec<ipnet::IpNet>, interface: &str) -> Place {
        if let Ok(mut asked) = self.asked.lock() {
            asked.insert(name.to_owned());
        }
        Place {
            name: name.to_owned(),
            addresses,
            interface: interface.to_owned(),
            shared: Arc::clone(&self.shared),
        }
    }

    /// Somebody's laptop, newly come into a zone, with an address that was free.
    #[track_caller]
    pub fn laptop(&self, zone: &str) -> Place {
        self.plug_in(zone).unwrap_or_else(|fault| panic!("a laptop in {zone}: {fault:#}"))
    }

    fn plug_in(&self, zone: &str) -> anyhow::Result<Place> {
        let zone = self.layout.zone(zone)?;
        let mut ports = self.ports.lock().ok().context("a thread that plugged something in panicked")?;
        let taken: BTreeSet<IpAddr> =
            ports.iter().flat_map(|(host, _)| host.addresses.iter().map(ipnet::IpNet::addr)).collect();
        let number = ports.len();
        ensure!(number < PLUGS, "the house is full");
        let host = Host {
            name: format!("laptop.{number}"),
            zone: zone.name.clone(),
            addresses: vec![self.layout.free(zone, &taken)?],
            mac: None,
            guest_of: None,
        };
        let port = build::port(&self.layout, &host, number)?;
        build::plug_in(&self.shared, &self.layout, &host, &port)?;
        let place = self.place(&host.name, host.addresses.clone(), build::CABLE);
        ports.push((host, port));
        Ok(place)
    }

    /// Pulls the cable of a machine; its guests, which have none of their own, go with it.
    #[track_caller]
    pub fn cut(&self, machine: &str) {
        self.plug(machine, "down");
    }

    /// Plugs it in again.
    #[track_caller]
    pub fn join(&self, machine: &str) {
        self.plug(machine, "up");
    }

    #[track_caller]
    fn plug(&self, name: &str, way: &str) {
        let plugged = self.with_guests(name);
        let place = plugged.first().map(|(_, port)| self.shared.namespace(&port.place));
        let text: String =
            plugged.iter().map(|(_, port)| format!("link set {} {way}\n", port.interface)).collect();
        let ends = plugged.iter().flat_map(|(host, port)| {
            [(host.name.as_str(), build::CABLE), (port.place.as_str(), port.interface.as_str())]
        });
        let ends: Vec<(&str, &str)> = ends.collect();
        build::batch(place.as_deref(), &text)
            .and_then(|()| self.settle(&ends, way))
            .unwrap_or_else(|fault| panic!("the cable of {name}: {fault:#}"));
    }

    /// Waits until the kernel has noticed at both ends of cables what happened to them. It may take it a second,
    /// and until then it sends nothing, or holds a cut cable for whole.
    fn settle(&self, ends: &[(&str, &str)], way: &str) -> anyhow::Result<()> {
        for (name, interface) in ends {
            let start = Instant::now();
            let state = || {
                let namespace = self.shared.namespace(name);
                run(ip().args(["-n", &namespace, "-brief", "link", "show", "dev", interface]))
            };
            while state()?.contains(" UP ") != (way == "up") {
                ensure!(start.elapsed() < NOTICE_WITHIN, "{name} does not notice that it is {way}");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// A machine or laptop with its port, and its guests and theirs.
    #[track_caller]
    fn with_guests(&self, name: &str) -> Vec<(Host, Port)> {
        let ports = self.ports.lock().expect("no thread panicked that plugged something in");
        let mut names = vec![name.to_owned()];
        let mut at = 0;
        while let Some(host) = names.get(at).cloned() {
            let guests = ports.iter().filter(|(guest, _)| guest.guest_of.as_ref() == Some(&host));
            names.extend(guests.map(|(guest, _)| guest.name.clone()));
            at += 1;
        }
        let found: Vec<(Host, Port)> =
            ports.iter().filter(|(host, _)| names.contains(&host.name)).cloned().collect();
        assert!(!found.is_empty(), "there is no machine `{name}`");
        found
    }

    /// Cuts a tunnel in its middle: both routers see it go.
    #[track_caller]
    pub fn cut_tunnel(&self, name: &str) {
        self.plug_tunnel(name, "down");
    }

    /// Mends it.
    #[track_caller]
    pub fn join_tunnel(&self, name: &str) {
        self.plug_tunnel(name, "up");
    }

    #[track_caller]
    fn plug_tunnel(&self, name: &str, way: &str) {
        let tunnel = self.layout.tunnels.iter().find(|tunnel| tunnel.name == name);
        let tunnel = tunnel.unwrap_or_else(|| panic!("there is no tunnel `{name}`"));
        let ports = build::tunnel_ports(&tunnel.interface);
        let text: String = ports.iter().map(|port| format!("link set {port} {way}\n")).collect();
        let internet = self.shared.namespace(INTERNET);
        let routers = tunnel.ends.iter().map(|end| (end.router.as_str(), tunnel.interface.as_str()));
        let ends: Vec<(&str, &str)> =
            routers.chain(ports.iter().map(|port| (INTERNET, port.as_str()))).collect();
        build::batch(Some(&internet), &text)
            .and_then(|()| self.settle(&ends, way))
            .unwrap_or_else(|fault| panic!("the tunnel {name}: {fault:#}"));
    }

    /// Loses so many of a hundred packets on the cable of a machine or laptop, in either direction; 0 mends
    /// it. With 100 it is cut off, and neither it nor its neighbours can see that from the cable.
    #[track_caller]
    pub fn lose(&self, name: &str, percent: u8) {
        let ports = self.ports.lock().expect("no thread panicked that plugged something in");
        let found = ports.iter().find(|(host, _)| host.name == name).map(|(_, port)| port);
        let port = found.unwrap_or_else(|| panic!("there is no machine `{name}`"));
        // In the switch, so that no program on the machine can see it or take it away.
        let table = format!("loss-{}", port.interface);
        let mut rules = format!("table netdev {table} {{}}\ndelete table netdev {table}\n");
        let which = if percent < 100 { format!("numgen random mod 100 < {percent}") } else { String::new() };
        if percent > 0 {
            rules += &format!("table netdev {table} {{\n");
            for way in ["ingress", "egress"] {
                rules += &format!(
                    "chain {way} {{ type filter hook {way} device \"{}\" priority 0; {which} drop; }}\n",
                    port.interface
                );
            }
            rules += "}\n";
        }
        build::nft(&self.shared.namespace(&port.place), &rules)
            .unwrap_or_else(|fault| panic!("losing packets of {name}: {fault:#}"));
    }

    /// A name server at the lab's upstreams that knows one answer to every question. Needs `dnsmasq`.
    #[track_caller]
    pub fn answer_the_world(&self, with: IpAddr) -> Unit {
        let mut service = Service::new(crate::find("dnsmasq").expect("dnsmasq"))
            .args([
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=/dev/null",
                "--pid-file=",
            ])
            .args(["--user=root", "--log-facility=-", "--log-queries", "--bind-interfaces"])
            .args([format!("--address=/#/{with}")]);
        for upstream in &self.layout.upstreams {
            service = service.args([format!("--listen-address={upstream}")]);
        }
        let unit = self.internet().start(service);
        unit.wait_for_line("started, version");
        unit
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let places: Vec<Place> = self
                .asked
                .lock()
                .map(|asked| asked.clone())
                .unwrap_or_default()
                .iter()
                .map(|name| self.place(name, Vec::new(), build::CABLE))
                .collect();
            let logs = &self.shared.logs;
            eprintln!("{}", report::report(&logs.all(), &places, logs.folder()));
        } else {
            self.shared.logs.forget();
        }
        leftovers::remove_house(&self.shared.prefix);
    }
}
