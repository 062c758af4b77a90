//! Apps: who they are for, what serves them, and where they keep state.

use std::collections::BTreeMap;

use super::{Unread, at_places};
use crate::compose::{Access, Compose, Mount, MountSource, Service};
use crate::fault::{Code, Fault, Faults, nearest};
use crate::follow::Stacks;
use crate::model::{App, BackupClass, Lab, Serve};
use crate::names::AppName;
use crate::read::{At, listed};

pub(super) fn check(lab: &Lab, stacks: &Stacks, unread: &Unread, faults: &mut Faults) {
    for (name, app) in &lab.apps {
        if let Some(serve) = app.serve.as_ref().filter(|serve| !unread.is_part_of(serve.span())) {
            served(name, app, serve, stacks.get(name), unread, faults);
            login(lab, name, serve, unread, faults);
        }
        if let Some(compose) = stacks.get(name) {
            services_named(app, compose, unread, faults);
            state(name, app, compose, unread, faults);
        }
        data(lab, name, app, unread, faults);
    }
}

fn served(
    name: &AppName,
    app: &At<App>,
    serve: &At<Serve>,
    compose: Option<&Compose>,
    unread: &Unread,
    faults: &mut Faults,
) {
    if let (Some(url), Some(host)) = (&serve.url, &serve.host) {
        let fault =
            Fault::new(Code::EitherOr, host.span(), format!("{name} is served at `url` and at `host`"));
        faults.push(fault.also(url.span(), "given here").help(
            "`host` is a name that the lab's proxy answers; `url` is for an app that answers itself: keep one",
        ));
    }
    let through_proxy = serve.url.is_none();
    let inside =
        compose.and_then(|compose| compose.serving(app)).map(|(_, service)| service.inside.as_slice());
    let one_port = matches!(inside, Some([_]));
    let is_bare = app.stack.is_none() && !unread.is_part_of(app.span());
    if through_proxy && serve.port.is_none() && !one_port && (is_bare || inside.is_some()) {
        let fault =
            Fault::new(Code::MissingKey, serve.span(), format!("nobody knows at which port {name} answers"));
        faults.push(fault.help(match app.stack {
            Some(_) => "write `port`: the port inside the container",
            None => "write `port`: the port of the machine",
        }));
    }
}

/// The login page that an app asks for is there.
fn login(lab: &Lab, name: &AppName, serve: &At<Serve>, unread: &Unread, faults: &mut Faults) {
    if serve.url.is_none() && serve.login.needs_auth() && lab.auth.is_none() && !unread.is_in(&["auth"]) {
        let title = format!("{name} asks for the login page, and the lab has no `[auth]`");
        let label = match serve.login.is_written() {
            true => "asked here",
            false => "`login` is \"lab\" unless it says otherwise",
        };
        let fault = Fault::new(Code::LoginWithoutAuth, serve.login.span(), title).label(label);
        faults.push(fault.help(
            "write `[auth]` with the machine that it runs on, or `login = \"own\"` if the app asks for itself, or \
             `login = \"none\"` if everyone may use it",
        ));
    }
}

/// The services that the lab names are in the compose file.
fn services_named(app: &App, compose: &Compose, unread: &Unread, faults: &mut Faults) {
    let there: Vec<&str> = compose.services.keys().map(String::as_str).collect();
    let serving = app.serve.as_ref().and_then(|serve| serve.service.as_ref());
    let database =
        app.database.as_ref().map(|database| &database.service).filter(|service| service.is_known());
    for service in serving.into_iter().chain(database) {
        if !compose.services.contains_key(service.as_str()) && !compose.includes_others {
            let title = format!("the compose file has no service `{service}`");
            let fault = Fault::new(Code::ComposeService, service.span(), title);
            let fault = fault.did_you_mean(nearest(service.as_str(), there.iter().copied()));
            faults.push(fault.help(format!("its services are {}", listed(&there))));
        }
    }
    if let (Some(serve), None) = (&app.serve, serving)
        && compose.serving(app).is_none()
        && !unread.is_part_of(serve.span())
        && serve.url.is_none()
    {
        let title = "the compose file has several services, and the lab does not say which one answers";
        let fault = Fault::new(Code::ComposeService, serve.span(), title);
        faults.push(fault.help(format!("write `service`: one of {}", listed(&there))));
    }
}

/// Images that keep state, by a part of their name, and where in the container: the `VOLUME` or the
/// documented data folder of each. Caches such as Redis are not here.
const STATEFUL: [(&str, &[&str]); 40] = [
    ("postgres", &["/var/lib/postgresql/data", "/var/lib/postgresql", "/bitnami/postgresql"]),
    ("postgis", &["/var/lib/postgresql/data", "/var/lib/postgresql"]),
    ("timescaledb", &["/var/lib/postgresql/data", "/home/postgres/pgdata"]),
    ("pgvector", &["/var/lib/postgresql/data", "/var/lib/postgresql"]),
    ("pgvecto-rs", &["/var/lib/postgresql/data"]),
    ("mariadb", &["/var/lib/mysql", "/config", "/bitnami/mariadb"]),
    ("mysql", &["/var/lib/mysql"]),
    ("mongo", &["/data/db"]),
    ("influxdb", &["/var/lib/influxdb2", "/var/lib/influxdb"]),
    ("couchdb", &["/opt/couchdb/data"]),
    ("nextcloud", &["/var/www/html", "/config"]),
    ("nextcloud/all-in-one", &["/mnt/docker-aio-config"]),
    ("jellyfin", &["/config"]),
    ("emby", &["/config"]),
    ("plex", &["/config"]),
    ("vaultwarden", &["/data"]),
    ("gitea", &["/data", "/var/lib/gitea"]),
    ("forgejo", &["/data", "/var/lib/gitea"]),
    ("gitlab-ce", &["/var/opt/gitlab"]),
    ("home-assistant", &["/config"]),
    ("homeassistant", &["/config"]),
    ("code-server", &["/config", "/home/coder"]),
    ("grafana", &["/var/lib/grafana"]),
    ("prometheus", &["/prometheus"]),
    ("uptime-kuma", &["/app/data"]),
    ("paperless-ngx", &["/usr/src/paperless/data"]),
    ("immich-server", &["/usr/src/app/upload", "/data"]),
    ("photoprism", &["/photoprism/storage"]),
    ("sonarr", &["/config"]),
    ("radarr", &["/config"]),
    ("prowlarr", &["/config"]),
    ("qbittorrent", &["/config"]),
    ("syncthing", &["/var/syncthing", "/config"]),
    ("ghost", &["/var/lib/ghost/content"]),
    ("wordpress", &["/var/www/html"]),
    ("mosquitto", &["/mosquitto/data"]),
    ("zigbee2mqtt", &["/app/data"]),
    ("node-red", &["/data"]),
    ("audiobookshelf", &["/config"]),
    ("freshrss", &["/var/www/FreshRSS/data", "/config"]),
];

/// What a container writes that is in no volume and in no declared data.
fn state(name: &AppName, app: &App, compose: &Compose, unread: &Unread, faults: &mut Faults) {
    if *app.backup == BackupClass::None || unread.is_part_of(app.data.span()) {
        return;
    }
    let mut unknown: BTreeMap<&str, Vec<(crate::Span, String)>> = BTreeMap::new();
    for (service_name, service) in &compose.services {
        for mount in service.mounts.iter().filter(|mount| mount.access == Access::ReadWrite) {
            faults.extend(mount_fault(name, service_name, app, mount));
            let holds_none = NO_STATE.iter().any(|folder| is_under(&mount.target, folder));
            if let (MountSource::Unknown(variable), false) = (&mount.source, holds_none) {
                let label = format!("`{service_name}` keeps `{}` there", mount.target);
                unknown.entry(variable).or_default().push((mount.span, label));
            }
        }
        faults.extend(unmounted_state(service_name, service));
    }
    for (variable, places) in unknown {
        let title = format!(
            "nobody knows where {name} keeps its state: nothing in the lab folder gives `{variable}` a value"
        );
        let point = app.data.first().map_or("/POOL/APP".to_owned(), |data| data.mount_point());
        let fault = at_places(Code::StatePlaceUnknown, title, places).map(|fault| {
            let file = app.stack.as_ref().map_or(String::new(), |stack| format!("`{}/.env`", stack.as_str()));
            fault.help(format!("give it one in {file}, a folder of the app's data: `{variable}={point}`"))
        });
        faults.extend(fault);
    }
}

/// Folders of the machine that hold no state of an app.
const NO_STATE: [&str; 8] =
    ["/var/run", "/run", "/dev", "/proc", "/sys", "/etc/localtime", "/etc/timezone", "/tmp"];

fn is_under(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn mount_fault(name: &AppName, service: &str, app: &App, mount: &Mount) -> Option<Fault> {
    let target = &mount.target;
    match &mount.source {
        MountSource::Path(path) => {
            let is_data = app.data.iter().any(|data| is_under(path, &data.mount_point()));
            if is_data || NO_STATE.iter().any(|folder| is_under(path, folder)) {
                return None;
            }
            let title =
                format!("`{service}` of {name} keeps `{target}` in `{path}`, which is in no declared data");
            let fault = Fault::new(Code::StateOutsideData, mount.span, title);
            let points: Vec<String> = app.data.iter().map(|data| data.mount_point()).collect();
            Some(match points.as_slice() {
                [] => fault.help(
                    "give the app `data`: a dataset, and mount a folder of it; or `:ro` if it is only read",
                ),
                points => fault
                    .also(app.data.span(), format!("its data is at {}", listed(points)))
                    .help("mount a folder of its data, declare the dataset, or add `:ro` if it is only read"),
            })
        }
        MountSource::Anonymous => {
            let title = format!("`{service}` of {name} keeps `{target}` in a volume without a name");
            let fault = Fault::new(Code::StateOutsideData, mount.span, title)
                .label("a new container does not find it again");
            Some(fault.help(format!("give it a name: `- NAME:{target}`")))
        }
        MountSource::Volume(_) | MountSource::Memory | MountSource::Unknown(_) => None,
    }
}

fn unmounted_state(service_name: &str, service: &Service) -> Option<Fault> {
    let (image, span) = service.image.as_ref()?;
    let (_, folders) = STATEFUL.iter().rfind(|(part, _)| is_image(image, part))?;
    let keeps = |folder: &&str| {
        service.mounts.iter().any(|mount| is_under(folder, &mount.target) || is_under(&mount.target, folder))
    };
    let folder = folders.first()?;
    if let Some(mount) = service
        .mounts
        .iter()
        .find(|mount| mount.source == MountSource::Memory && is_under(folder, &mount.target))
    {
        let title =
            format!("`{service_name}` keeps `{folder}` in memory: it is gone when the container stops");
        let fault = Fault::new(Code::StateOutsideData, mount.span, title);
        return Some(fault.help("mount a folder of the app's data there"));
    }
    if folders.iter().any(keeps) {
        return None;
    }
    let title = format!("`{service_name}` keeps its state in `{folder}`, and nothing is mounted there");
    let fault = Fault::new(Code::StateOutsideData, *span, title).label(format!("`{image}` writes there"));
    Some(fault.help(format!("mount a folder of the app's data: `- /POOL/APP/{service_name}:{folder}`")))
}

/// Whether an image is `part`: its last path segments without registry, tag and digest.
fn is_image(image: &str, part: &str) -> bool {
    let image = image.split('@').next().unwrap_or(image);
    let image = match image.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => path,
        _ => image,
    };
    image == part || image.strip_suffix(part).is_some_and(|rest| rest.ends_with('/'))
}

/// An app's data is on its machine, or on the host of its machine.
fn data(lab: &Lab, name: &AppName, app: &App, unread: &Unread, faults: &mut Faults) {
    // What could not be read of a machine may be what it is a guest of.
    let is_whole =
        |metal: &&str| lab.machines.get(*metal).is_some_and(|machine| !unread.is_part_of(machine.span()));
    let own = lab.metal_of(app.on.as_str()).filter(is_whole);
    for dataset in app.data.iter() {
        let metal = lab.metal_of(dataset.machine()).filter(is_whole);
        if metal != own && metal.is_some() && own.is_some() {
            let title = format!("{name} runs on {}, and its data would be on {}", app.on, dataset.machine());
            let fault =
                Fault::new(Code::DataElsewhere, dataset.span(), title).also(app.on.span(), "it runs here");
            faults.push(fault.help("an app mounts data of its own machine, or of the host of its machine"));
        }
    }
}

/// Groups that nobody is in.
pub(super) fn check_groups(lab: &Lab, faults: &mut Faults) {
    let mut groups: Vec<&str> =
        lab.people.iter().flat_map(|(_, person)| person.groups.iter().map(|group| group.as_str())).collect();
    groups.sort_unstable();
    groups.dedup();
    let mut missing: BTreeMap<&str, Vec<(crate::Span, String)>> = BTreeMap::new();
    for (name, app) in &lab.apps {
        let wanted = app.serve.iter().flat_map(|serve| serve.r#for.iter()).flat_map(|groups| groups.iter());
        for group in wanted.filter(|group| !groups.contains(&group.as_str())) {
            missing.entry(group.as_str()).or_default().push((group.span(), format!("{name} is for them")));
        }
    }
    for (group, places) in missing {
        let fault = at_places(Code::GroupIsEmpty, format!("nobody is in the group `{group}`"), places);
        let near = nearest(group, groups.iter().copied());
        faults.extend(fault.map(|fault| {
            fault.did_you_mean(near).help(match groups.as_slice() {
                [] => "put a person in it: `[people]` has nobody in any group".to_owned(),
                groups => format!("put a person in it; the groups are {}", listed(groups)),
            })
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::is_image;

    #[test]
    fn images_are_known_by_their_last_segments() {
        assert!(is_image("postgres:16-alpine", "postgres"));
        assert!(is_image("docker.io/library/postgres@sha256:00", "postgres"));
        assert!(is_image("registry.lab:5000/bitnami/postgres", "postgres"));
        assert!(!is_image("my-postgres:1", "postgres"));
        assert!(!is_image("postgres-exporter", "postgres"));
    }
}
