//! Large labs, always the same: 5 sites, 50 zones, many machines, apps with a compose file each; with a fault in every
//! twentieth machine, or with none.

use std::fmt::Write as _;
use std::path::Path;

const SITES: usize = 5;
const ZONES: usize = 50;
/// Every machine of this number has an address that is not in its zone, if there are to be faults.
const FAULTY: usize = 20;

/// How large a lab is.
pub(super) struct Size {
    machines: usize,
    apps: usize,
    has_faults: bool,
}

/// 1,000 machines, 300 apps and 50 faults.
pub(super) const LARGE: Size = Size { machines: 1_000, apps: 300, has_faults: true };
/// 200 machines, 60 apps and nothing wrong.
pub(super) const TWO_HUNDRED: Size = Size { machines: 200, apps: 60, has_faults: false };

pub(super) fn lab(folder: &Path, size: &Size) -> anyhow::Result<()> {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("lab.toml"), network()?)?;
    std::fs::write(folder.join("machines.toml"), machines(size)?)?;
    std::fs::write(folder.join("apps.toml"), apps(size)?)?;
    for app in 0..size.apps {
        let stack = folder.join(format!("stacks/app-{app}"));
        std::fs::create_dir_all(&stack)?;
        std::fs::write(stack.join("compose.yaml"), compose(app))?;
    }
    Ok(())
}

fn network() -> anyhow::Result<String> {
    let mut text = String::from("[lab]\nname = \"large\"\ndomain = \"large.example.net\"\n\n[people]\n");
    for person in 0..20 {
        writeln!(text, "p{person} = {{ groups = [\"g{}\"] }}", person % 4)?;
    }
    text.push_str("\n[sites]\n");
    for site in 0..SITES {
        writeln!(text, "s{site} = {{}}")?;
    }
    text.push_str("\n[zones]\n");
    for zone in 0..ZONES {
        writeln!(
            text,
            "z{zone} = {{ site = \"s{}\", vlan = {}, cidr = \"10.{zone}.0.0/16\" }}",
            zone % SITES,
            10 + zone
        )?;
    }
    text.push_str("\n[routers]\n");
    for site in 0..SITES {
        writeln!(text, "r{site} = {{ site = \"s{site}\", kind = \"linux\", asn = {} }}", 64_600 + site)?;
    }
    text.push_str("\n[tunnels]\n");
    for one in 0..SITES {
        for other in (one + 1)..SITES {
            let net = 4 * (one * SITES + other);
            writeln!(
                text,
                "t{one}-{other} = {{ between = [\"r{one}\", \"r{other}\"], kind = \"wireguard\", net = \"172.31.0.{net}/30\" }}"
            )?;
        }
    }
    text.push_str("\n[bgp]\nover = \"tunnels\"\n\n[policy]\nz0 = { reach = \"everything\", first = true }\n");
    for zone in 1..ZONES {
        writeln!(
            text,
            "z{zone} = {{ services = [\"users\"], zones = [\"z{}\"], internet = true }}",
            (zone + 1) % ZONES
        )?;
    }
    text.push_str(
        "every = { services = [\"dns\", \"dhcp\"] }\n\n[assert]\nowner = \"z0 reaches everything\"\n",
    );
    text.push_str("ways = \"any 2 tunnels down: sites keep reach within 3 hops\"\n");
    for zone in 1..20 {
        writeln!(text, "a{zone} = \"z{zone} never reaches z{}\"", (zone + 7) % ZONES)?;
    }
    Ok(text)
}

fn machines(size: &Size) -> anyhow::Result<String> {
    let mut text = String::new();
    for machine in 0..size.machines {
        let zone = machine % ZONES;
        let is_faulty = size.has_faults && machine % FAULTY == FAULTY - 1;
        let network = if is_faulty { (zone + 1) % ZONES } else { zone };
        writeln!(text, "[machines.m{machine}]\nzone = \"z{zone}\"")?;
        writeln!(text, "address = \"10.{network}.{}.{}\"", machine / 250 + 1, machine % 250 + 2)?;
        writeln!(
            text,
            "memory = \"{} GB\"\nhardware = {{ cpu = \"a processor\", power = \"10 W\" }}",
            machine % 60 + 4
        )?;
        writeln!(text, "panels = [\"tcp/22\"]\ndisks = {{ a = \"4 TB\", b = \"4 TB\" }}")?;
        writeln!(
            text,
            "pools = {{ tank = {{ kind = \"zfs\", layout = \"mirror\", disks = [\"a\", \"b\"] }} }}\n"
        )?;
    }
    Ok(text)
}

fn apps(size: &Size) -> anyhow::Result<String> {
    let (watch, backup) = (size.machines / 5, size.machines / 4);
    let mut text = format!(
        "[dns]\non = [\"m0\", \"m50\"]\naddress = \"10.0.9.53\"\nupstreams = [\"9.9.9.9\"]\n\n[proxy]\non = \"m100\"\n\n\
         [auth]\non = \"m100\"\n\n[metrics]\non = \"m150\"\n\n[logs]\non = \"m150\"\n\n[watch]\non = \"m{watch}\"\n\n\
         [backup]\non = \"m{backup}\"\npool = \"tank\"\ntake = [",
    );
    for app in 0..size.apps {
        write!(text, "\"m{}\", ", host(app, size))?;
    }
    text.push_str("]\n\n");
    for app in 0..size.apps {
        writeln!(text, "[apps.app-{app}]\non = \"m{}\"\nstack = \"stacks/app-{app}\"", host(app, size))?;
        writeln!(text, "serve = {{ service = \"web\", port = 8080, for = [\"g{}\"] }}", app % 4)?;
        writeln!(text, "data = [\"m{}:tank/app-{app}\"]\n", host(app, size))?;
    }
    Ok(text)
}

fn host(app: usize, size: &Size) -> usize {
    size.machines * 3 / 10 + app
}

fn compose(app: usize) -> String {
    format!(
        "services:\n  web:\n    image: example/web:{app}\n    depends_on: [db]\n    volumes:\n      - /tank/app-{app}/web:/data\n  \
         db:\n    image: postgres:17\n    volumes:\n      - /tank/app-{app}/db:/var/lib/postgresql/data\n"
    )
}
