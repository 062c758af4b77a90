//! The lab itself, its sites, its people and its start page.

use crate::names::{Label, SiteName};
use crate::read::{At, choice, table};
use crate::value::{Domain, HostName, Power, PublicKey, Text, TimeZoneName, Version};

table! {
    /// What the lab is called, and where its names live.
    pub struct About {
        /// The name of the lab.
        name: Label = required;
        /// The domain that the names of machines and apps are under. Names outside `.local`, which devices
        /// resolve by multicast; best a domain that you own, so that certificates can be had for it.
        domain: Domain = required;
        /// The zone of the civil times in the file and in messages.
        timezone: TimeZoneName = default(TimeZoneName::utc());
        /// Who certificate authorities write to.
        email: Text = optional("they have nobody to write to");
        /// The oldest version of Polis that understands the file.
        needs: Version = optional("any version tries");
        /// How much power the lab may use.
        power: PowerBudget = optional("power is added up and not limited");
    }
}

table! {
    /// How much power the lab may use.
    pub struct PowerBudget {
        /// The most that the machines may use together: the sum of their `hardware.power`.
        budget: Power = required;
        /// The sites whose machines count.
        sites: Vec<At<SiteName>> = optional("every site without a `provider`");
    }
}

table! {
    /// A house, or a data centre of a provider.
    pub struct Site {
        /// The list that names of machines are checked against and suggested from.
        naming: Naming = optional("machines may have any name");
        /// The company whose machines these are.
        provider: Text = optional("the machines are your own, and their power counts");
    }
}

choice! {
    /// A list of names for machines.
    pub enum Naming {
        /// Cities, towns and islands of Greece.
        GreekPlaces = "greek-places",
        /// Cities of Europe outside Greece.
        EuropeanCities = "european-cities",
    }
}

table! {
    /// A person: their name in the lab file is what they log in with.
    pub struct Person {
        /// What they are called.
        name: Text = optional("the name they log in with");
        /// Their mail address.
        email: Text = optional("they get no mail");
        /// The groups they are in. A group is there as soon as somebody is in it.
        groups: Vec<At<Label>> = default(Vec::new());
        /// The public key that all secrets of the lab are also encrypted to. Give it to the owner only:
        /// who has one can read every secret.
        key: PublicKey = optional("they can read no secrets");
    }
}

table! {
    /// The start page, with a tile for each app.
    pub struct Portal {
        /// Its title.
        title: Text = optional("the name of the lab");
        /// Its name under the lab's domain.
        host: HostName = optional("it is at the domain itself");
    }
}

impl Person {
    /// Whether they are in the group.
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own.as_str() == group)
    }
}
