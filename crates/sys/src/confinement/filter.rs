//! Which system calls a process can make (`seccomp(2)`).
//!
//! What a daemon that reads logs and changes the firewall never asks for is refused with `EPERM`: starting programs and
//! processes, making memory executable, looking into other processes and signalling them, mounting, modules, other
//! users, other name spaces, changing who may do what with a file, sockets of families that it has no use for. All else
//! is allowed, for the libraries that we link may ask for something else on another day; what files it can reach is
//! for [`super::landlock`] to say.
//!
//! Invariant: a call by another numbering (32 bits, x32) is refused whatever it is.

use std::io;

/// A step of a filter: a classic BPF instruction.
type Step = libc::sock_filter;

/// Where the parts of a call stand.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(index: u32) -> u32 {
    // The lower half, which is the first on machines that write numbers from their lower end.
    16 + 8 * index
}

/// The numbering of this machine's calls, as the audit of the kernel names it.
#[cfg(target_arch = "x86_64")]
const OURS: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const OURS: Option<u32> = Some(0xc000_00b7);
#[cfg(target_arch = "riscv64")]
const OURS: Option<u32> = Some(0xc000_00f3);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
const OURS: Option<u32> = None;

/// From here on numbers are those of x32.
#[cfg(target_arch = "x86_64")]
const FOREIGN: u32 = 0x4000_0000;

/// Calls that are refused, whatever their arguments.
const REFUSED: &[libc::c_long] = &[
    // Programs.
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_personality,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    // The view of the files.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    // The rights of files; which the rules for files leave alone.
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    // `fchmodat2`, for which the library has no name on every machine.
    452,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    libc::SYS_truncate,
    libc::SYS_mknodat,
    // The kernel.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_vhangup,
    // Other users, other rights.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
    libc::SYS_setgroups,
    libc::SYS_capset,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Ways past this filter, and parts of the kernel with a history.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_remap_file_pages,
    libc::SYS_shmat,
];

/// The same of calls that only this machine has.
#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] = &[
    libc::SYS_fork,
    libc::SYS_vfork,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
    libc::SYS_mknod,
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Calls that may not make memory executable, by their third argument.
const MAPPINGS: [libc::c_long; 3] = [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_pkey_mprotect];

/// Families of sockets: local ones, the network, and the kernel's own.
const FAMILIES: [i32; 4] = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK];

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const fn refuse(error: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | error.cast_unsigned()
}

/// Whether there is a filter for the calls of this machine.
#[must_use]
pub const fn can_filter() -> bool {
    OURS.is_some()
}

/// Confines the calls of all threads of the process, which must have no new privileges.
pub(super) fn install() -> io::Result<()> {
    let Some(ours) = OURS else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let mut steps = program(ours);
    let wanted = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_LOG;
    match set(wanted, &mut steps) {
        // A kernel that does not tell its audit of refusals.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            set(libc::SECCOMP_FILTER_FLAG_TSYNC, &mut steps)
        }
        outcome => outcome,
    }
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn set(flags: libc::c_ulong, steps: &mut [Step]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: u16::try_from(steps.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        filter: steps.as_mut_ptr(),
    };
    // SAFETY: the filter points to as many steps as it says, which outlive the call; the kernel copies and checks them.
    let outcome = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const filter,
        )
    };
    match outcome {
        0 => Ok(()),
        // The number of a thread that could not be bound.
        1.. => Err(io::ErrorKind::WouldBlock.into()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The filter.
fn program(ours: u32) -> Vec<Step> {
    let mut steps = vec![
        load(ARCHITECTURE),
        equal(ours, 1, 0),
        end(refuse(libc::EPERM)),
        load(NUMBER),
    ];
    #[cfg(target_arch = "x86_64")]
    steps.extend([
        step(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, FOREIGN, 0, 1),
        end(refuse(libc::ENOSYS)),
    ]);
    for call in REFUSED.iter().chain(REFUSED_HERE) {
        steps.extend([equal(number(*call), 0, 1), end(refuse(libc::EPERM))]);
    }
    // Its flags stand where a filter cannot look; the library then asks in the older way.
    steps.extend([equal(number(libc::SYS_clone3), 0, 1), end(refuse(libc::ENOSYS))]);
    // Threads can be started, processes cannot.
    steps.extend([
        equal(number(libc::SYS_clone), 0, 4),
        load(argument(0)),
        any(libc::CLONE_THREAD.cast_unsigned(), 1, 0),
        end(refuse(libc::EPERM)),
        end(ALLOW),
    ]);
    for call in MAPPINGS {
        steps.extend([
            equal(number(call), 0, 4),
            load(argument(2)),
            any(libc::PROT_EXEC.cast_unsigned(), 0, 1),
            end(refuse(libc::EPERM)),
            end(ALLOW),
        ]);
    }
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let families = FAMILIES.map(i32::cast_unsigned);
        let [one, two, three, four] = families;
        steps.extend([
            equal(number(call), 0, 7),
            load(argument(0)),
            equal(one, 4, 0),
            equal(two, 3, 0),
            equal(three, 2, 0),
            equal(four, 1, 0),
            end(refuse(libc::EAFNOSUPPORT)),
            end(ALLOW),
        ]);
    }
    steps.push(end(ALLOW));
    steps
}

/// Numbers of calls are small; one that is none is none of this machine's calls.
fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}

fn step(code: u32, operand: u32, if_true: u8, if_false: u8) -> Step {
    Step {
        code: u16::try_from(code).unwrap_or(0),
        jt: if_true,
        jf: if_false,
        k: operand,
    }
}

fn load(offset: u32) -> Step {
    step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn equal(operand: u32, if_true: u8, if_false: u8) -> Step {
    step(
        libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
        operand,
        if_true,
        if_false,
    )
}

/// Whether any of these bits is set.
fn any(bits: u32, if_true: u8, if_false: u8) -> Step {
    step(
        libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K,
        bits,
        if_true,
        if_false,
    )
}

fn end(verdict: u32) -> Step {
    step(libc::BPF_RET | libc::BPF_K, verdict, 0, 0)
}
