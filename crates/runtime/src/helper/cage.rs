//! What a process gives up: capabilities, the way back to them, and system calls that it has no use for.
//!
//! Where a machine does not allow a restriction the process goes on with the others: privileges that were never
//! there need no giving up.

use std::collections::BTreeMap;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

/// System calls that nothing in Polis makes: they load code into the kernel, look into other processes, or
/// change what files and networks a process sees.
const NEVER: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_quotactl,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_sethostname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_swapoff,
    libc::SYS_swapon,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];
/// And those that start another program: the worker never does.
const NO_PROGRAMS: &[i64] = &[libc::SYS_execve, libc::SYS_execveat];

/// What the helper keeps, if it has it: ports, addresses, and starting and ending the worker as another user.
fn helper_needs() -> CapabilitySet {
    CapabilitySet::NET_BIND_SERVICE
        | CapabilitySet::NET_ADMIN
        | CapabilitySet::NET_RAW
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::KILL
}

/// For the helper. Call it before any other thread is there.
pub(crate) fn helper() -> Vec<String> {
    restrict(helper_needs(), NEVER, &[])
}

/// For the worker, and for everything that only reads a lab. Call it before any other thread is there.
pub fn worker() -> Vec<String> {
    restrict(CapabilitySet::empty(), NEVER, NO_PROGRAMS)
}

/// Gives up all but some capabilities, and some system calls; says what could not be given up.
fn restrict(keep: CapabilitySet, calls: &[i64], more: &[i64]) -> Vec<String> {
    let mut left = Vec::new();
    let mut note = |what: &str, done: std::io::Result<()>| {
        if let Err(error) = done {
            left.push(format!("{what}: {error}"));
        }
    };
    let has = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted);
    if has.contains(CapabilitySet::SETPCAP) {
        for capability in (CapabilitySet::all() - keep).iter() {
            // Capabilities that this kernel does not know can not be removed, and need not be.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let _ = clear_ambient_capability_set();
    let kept = has & keep;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    note("capabilities", set_capabilities(None, sets).map_err(Into::into));
    note("new privileges", set_no_new_privs(true).map_err(Into::into));
    note("system calls", refuse(calls.iter().chain(more)));
    left
}

/// From now on these system calls fail with EPERM (seccomp(2)).
fn refuse<'c>(calls: impl Iterator<Item = &'c i64>) -> std::io::Result<()> {
    let failed = |error: &dyn std::fmt::Display| std::io::Error::other(error.to_string());
    let rules: BTreeMap<i64, Vec<_>> = calls.map(|call| (*call, Vec::new())).collect();
    let refusal = SeccompAction::Errno(u32::try_from(libc::EPERM).unwrap_or(1));
    let architecture = std::env::consts::ARCH.try_into().map_err(|error| failed(&error))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture)
        .map_err(|error| failed(&error))?;
    let program: BpfProgram = filter.try_into().map_err(|error: seccompiler::BackendError| failed(&error))?;
    seccompiler::apply_filter(&program).map_err(|error| failed(&error))
}
