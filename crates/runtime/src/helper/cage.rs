//! What a process gives up: capabilities, the way back to them, and system calls that it has no use for.
//!
//! Where a machine does not allow a restriction the process goes on with the others: privileges that were never
//! there need no giving up.

use std::collections::BTreeMap;

use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// System calls that nothing in Polis makes: they load code into the kernel, look into other processes, or
/// change what files and networks a process sees.
const NEVER: &[i64] = &[
    libc::SYS_acct,
    libc::SYS_add_key,
    libc::SYS_bpf,
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_finit_module,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_init_module,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_io_uring_setup,
    libc::SYS_kcmp,
    libc::SYS_kexec_file_load,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_open_tree,
    libc::SYS_perf_event_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pivot_root,
    libc::SYS_process_madvise,
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
    // Nobody of the same user looks into it, and it leaves no picture of its memory.
    let dumpable = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    note("being looked into", dumpable.map_err(Into::into));
    let kept = has & keep;
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    note("capabilities", set_capabilities(None, sets).map_err(Into::into));
    note("new privileges", set_no_new_privs(true).map_err(Into::into));
    note("system calls", refuse(calls.iter().chain(more)));
    left
}

/// Typing into the terminal that started it, as if a person had (ioctl_tty(2)).
const TYPING: [u64; 2] = [libc::TIOCSTI, libc::TIOCLINUX];
/// New namespaces give all capabilities in them (clone(2)).
const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWUTS,
];

/// From now on these system calls fail with EPERM, and so do typing into a terminal and making namespaces (seccomp(2)).
fn refuse<'c>(calls: impl Iterator<Item = &'c i64>) -> std::io::Result<()> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = calls.map(|call| (*call, Vec::new())).collect();
    let typing = TYPING.map(|request| when(1, SeccompCmpOp::Eq, request));
    rules.insert(libc::SYS_ioctl, typing.into_iter().collect::<std::io::Result<_>>()?);
    let namespaces = NEW_NAMESPACES.map(|flag| {
        let flag = u64::try_from(flag).unwrap_or_default();
        when(0, SeccompCmpOp::MaskedEq(flag), flag)
    });
    rules.insert(libc::SYS_clone, namespaces.into_iter().collect::<std::io::Result<_>>()?);
    apply(rules, libc::EPERM)?;
    // What its flags are can not be seen from here; who is told that it is not there uses `clone`.
    apply([(libc::SYS_clone3, Vec::new())].into(), libc::ENOSYS)
}

/// A rule about one argument of a call.
fn when(argument: u8, is: SeccompCmpOp, value: u64) -> std::io::Result<SeccompRule> {
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value).map_err(failed)?;
    SeccompRule::new(vec![condition]).map_err(failed)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> std::io::Result<()> {
    let refusal = SeccompAction::Errno(u32::try_from(error).unwrap_or(1));
    let architecture = std::env::consts::ARCH.try_into().map_err(failed)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, architecture).map_err(failed)?;
    let program = BpfProgram::try_from(filter).map_err(failed)?;
    seccompiler::apply_filter(&program).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> std::io::Error {
    std::io::Error::other(error.to_string())
}
