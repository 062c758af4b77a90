//! Having an address: looks whether it is free, adds it for two seconds, and renews it every half.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::task::JoinHandle;

use super::{Moving, is_duplicate, neighbour};
use crate::condition::Conditions;
use crate::helper::Helper;

/// How often an address is renewed.
const RENEW: Duration = Duration::from_millis(500);
/// How long a machine that has the address may take to say so, and how long to wait while it has it.
const LOOK: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(2);

/// The addresses that this machine has.
#[derive(Debug, Default)]
pub(crate) struct Addresses(BTreeMap<Moving, Keeps>);

/// Ends with what holds it.
#[derive(Debug)]
struct Keeps(JoinHandle<()>);

impl Drop for Keeps {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Addresses {
    /// This machine has these from now on, and gives up the others.
    pub(crate) async fn set(&mut self, wanted: Vec<Moving>, helper: &Helper, conditions: &Conditions) {
        let gone: Vec<Moving> = self.0.keys().filter(|moving| !wanted.contains(moving)).cloned().collect();
        for moving in gone {
            self.0.remove(&moving);
            conditions.clear(&about(moving.address));
            // What can not be given back goes by itself in two seconds.
            let _ = helper.release(moving.address).await;
        }
        for moving in wanted {
            let task = || Keeps(tokio::spawn(keep(moving.clone(), helper.clone(), conditions.clone())));
            self.0.entry(moving.clone()).or_insert_with(task);
        }
    }

    /// Gives all of them back.
    pub(crate) async fn give_back(&mut self, helper: &Helper, conditions: &Conditions) {
        self.set(Vec::new(), helper, conditions).await;
    }
}

fn about(address: IpAddr) -> String {
    format!("address {address}")
}

async fn keep(moving: Moving, helper: Helper, conditions: Conditions) {
    let about = about(moving.address);
    let mut is_had = false;
    loop {
        if !is_had && let Some(other) = taken(&moving, &helper).await {
            conditions.raise(
                &about,
                format!("another machine has it, with the link address {other}"),
                "find it by that address and take it off there; it is looked at again by itself",
            );
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        match helper.hold(moving.address).await {
            Ok(()) if is_marked(moving.address) => {
                is_had = false;
                let _ = helper.release(moving.address).await;
                conditions.raise(
                    &about,
                    "another machine has it, as the kernel found",
                    "take it off there; it is tried again by itself",
                );
                tokio::time::sleep(AGAIN).await;
            }
            Ok(()) => {
                is_had = true;
                conditions.clear(&about);
                tokio::time::sleep(RENEW).await;
            }
            Err(unhelped) => {
                is_had = false;
                conditions.raise(&about, unhelped.to_string(), unhelped.help());
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// Whether the kernel has found an IPv6 address on another machine, which it looks for when the address is added.
fn is_marked(address: IpAddr) -> bool {
    let IpAddr::V6(v6) = address else { return false };
    std::fs::read_to_string("/proc/net/if_inet6").is_ok_and(|table| is_duplicate(&table, v6))
}

/// Makes the kernel ask who has an IPv4 address, and looks who answered. With IPv6 the kernel looks by itself.
async fn taken(moving: &Moving, helper: &Helper) -> Option<String> {
    let Moving { address, beside, .. } = *moving;
    let IpAddr::V4(v4) = address else { return None };
    let _ = helper.forget(address).await;
    let socket = UdpSocket::bind(SocketAddr::new(beside, 0)).ok()?;
    let _ = socket.send_to(&[0], SocketAddr::new(address, 9));
    tokio::time::sleep(LOOK).await;
    let table = std::fs::read_to_string("/proc/net/arp").ok()?;
    neighbour(&table, v4).map(str::to_owned)
}
