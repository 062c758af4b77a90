//! Apps: what people use.

use crate::model::{BackupClass, DatasetName};
use crate::names::{Label, MachineName};
use crate::read::{At, Number, choice, table};
use crate::value::{HostName, Text, Url};

table! {
    /// An app. From this one table follow its name, its route and certificate, the login in front of it, the
    /// rule that opens it, its probe, its logs and measurements, its snapshots and copies, and its tile.
    pub struct App {
        /// The machine that it runs on.
        on: MachineName = required;
        /// The folder of its compose file, inside the lab folder. The file is used as it is.
        stack: Text = optional("it is set up by hand, or by its machine");
        /// How people reach it.
        serve: Serve = optional("nobody does");
        /// The datasets that its data is in.
        data: Vec<At<DatasetName>> = default(Vec::new());
        /// Its database, which is copied in the same instant as its data.
        database: AppDatabase = optional("it has none, or one that survives a copy of its files");
        /// Its tile on the start page.
        tile: Tile = optional("its name, in the group `Apps`");
        /// Hardware of the machine that it is given.
        devices: Vec<At<Text>> = default(Vec::new());
        /// What is done so that its data is not lost.
        backup: BackupClass = default(BackupClass::Full);
    }
}

table! {
    /// How people reach an app.
    pub struct Serve {
        /// Its name under the lab's domain.
        host: HostName = optional("the name of the app");
        /// Its whole address, for an app that is reached elsewhere than through the lab's proxy.
        url: Url = optional("it is reached through the lab's proxy");
        /// The service of the compose file that answers.
        service: Text = optional("the only one");
        /// The port that it answers at: the container's for an app with a `stack`, else the machine's.
        port: Number<1, 65535> = optional("the only one that the compose file exposes");
        /// The groups of people who may use it.
        r#for: Vec<At<Label>> = optional("everyone who may log in");
        /// Whether the internet may use it.
        published: bool = default(false);
        /// Who asks people who they are.
        login: Login = default(Login::Lab);
    }
}

choice! {
    /// Who asks people who they are.
    pub enum Login {
        /// The lab's login page, in front of the app.
        Lab = "lab",
        /// The lab's login page; the app is told who it is by headers.
        Headers = "headers",
        /// The app, which sends people to the lab's login page (OpenID Connect).
        Oidc = "oidc",
        /// The app itself.
        Own = "own",
        /// Nobody.
        None = "none",
    }
}

impl Login {
    /// Whether the lab's login page is part of it.
    pub fn needs_auth(self) -> bool {
        matches!(self, Self::Lab | Self::Headers | Self::Oidc)
    }
}

table! {
    /// The database of an app.
    pub struct AppDatabase {
        /// What it is.
        kind: DatabaseKind = required;
        /// The service of the compose file that it is.
        service: Text = required;
    }
}

choice! {
    /// A kind of database.
    pub enum DatabaseKind {
        /// PostgreSQL.
        Postgres = "postgres",
        /// MariaDB or MySQL.
        Mariadb = "mariadb",
        /// SQLite.
        Sqlite = "sqlite",
    }
}

table! {
    /// A tile on the start page.
    pub struct Tile {
        /// The heading that it stands under.
        group: Text = default(Text::known("Apps"));
        /// What it is called.
        title: Text = optional("the name of the app");
        /// Its picture, by the name of the app in common sets of icons.
        icon: Text = optional("its first letter");
    }
}
