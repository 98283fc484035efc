//! What root may do beyond the rights of files, one by one (`capabilities(7)`).
//!
//! Invariant: a capability that is dropped here cannot be had again, by no program either.

use std::io;

/// The header and the version of the call that sets them.
const VERSION: u32 = 0x2008_0522;

/// One of the rights of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// Passing over the rights of files.
    DacOverride,
    /// Reading files and looking into directories, whatever their rights say.
    DacReadSearch,
    /// Changing the firewall, and ending connections.
    NetAdmin,
}

impl Capability {
    const fn number(self) -> u8 {
        match self {
            Self::DacOverride => 1,
            Self::DacReadSearch => 2,
            Self::NetAdmin => 12,
        }
    }
}

/// A set of the rights of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The set as the kernel prints it.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl FromIterator<Capability> for Capabilities {
    fn from_iter<I: IntoIterator<Item = Capability>>(capabilities: I) -> Self {
        Self(
            capabilities
                .into_iter()
                .fold(0, |bits, one| bits | 1 << one.number()),
        )
    }
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Data {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Leaves the calling thread what it has of `kept`. Makes system calls and nothing else, for it runs in the handler of
/// a signal.
pub(super) fn keep(kept: Capabilities) -> io::Result<()> {
    for number in 0..64_u64 {
        // Past the last one that the kernel knows it says so; without the right to do this nothing can be raised
        // either, for no program is started that could.
        let dropped = kept.0 & (1 << number) == 0;
        if dropped && !drop_bound(number) {
            break;
        }
    }
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut data = [Data::default(); 2];
    get(&mut header, &mut data)?;
    let words = [kept.0 & 0xffff_ffff, kept.0 >> 32];
    for (data, word) in data.iter_mut().zip(words) {
        let word = u32::try_from(word).unwrap_or(0);
        data.permitted &= word;
        data.effective = data.permitted;
        data.inheritable = 0;
    }
    set(&mut header, &data)
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn drop_bound(number: u64) -> bool {
    // SAFETY: the call takes a number and touches no memory.
    unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) == 0 }
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn get(header: &mut Header, data: &mut [Data; 2]) -> io::Result<()> {
    // SAFETY: both have the layout that the version says, and outlive the call.
    let outcome = unsafe { libc::syscall(libc::SYS_capget, &raw mut *header, data.as_mut_ptr()) };
    super::threads::outcome(outcome)
}

#[expect(unsafe_code, reason = "the library has no safe face for this call")]
fn set(header: &mut Header, data: &[Data; 2]) -> io::Result<()> {
    // SAFETY: both have the layout that the version says, and outlive the call, which only reads them.
    let outcome = unsafe { libc::syscall(libc::SYS_capset, &raw mut *header, data.as_ptr()) };
    super::threads::outcome(outcome)
}
