//! Gives back the memory of what only the start of a program, or some other rare work, has needed.
//!
//! In: the memory of this process, looked at while it has one thread. Out: fewer pages in memory; what is needed after
//! all comes back by itself, from the file it is in.
//!
//! Invariant: of what is mapped from a file only pages are given back that nobody has written to, nor can.

use std::fs;
use std::ops::Range;
use std::ptr;

use rustix::mm::{Advice, madvise};

/// What of this process's memory can be given back and comes back by itself.
#[derive(Debug, Clone, Default)]
pub struct Spare {
    /// Code and constants of the program and of the libraries that it is linked with.
    mapped: Vec<Range<usize>>,
}

impl Spare {
    /// What there is to give back. To be asked as long as no other thread can load a library: where a library is loaded
    /// to, addresses are put into pages that are made constant only afterwards.
    #[must_use]
    pub fn find() -> Self {
        let Ok(memory) = fs::read_to_string("/proc/self/smaps") else {
            return Self::default();
        };
        Self {
            mapped: constants(&memory),
        }
    }

    /// Gives back the pages of files, and the memory that was in use and is not any more.
    pub fn give_back(&self) {
        release();
        for range in &self.mapped {
            drop_pages(range);
        }
    }
}

/// Has the allocator give back what it keeps for later.
#[expect(unsafe_code, reason = "malloc_trim has no safe face")]
fn release() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the function has no conditions; it takes the locks of the allocator itself.
    let _some_or_none = unsafe { libc::malloc_trim(0) };
}

#[expect(unsafe_code, reason = "madvise has no safe face")]
fn drop_pages(range: &Range<usize>) {
    // SAFETY: the pages are mapped from a file, hold what it holds, and nobody can write to them, so the kernel reads the
    // same bytes again as soon as one of them is needed; whoever is in them just now waits for that. They stay mapped as
    // long as the process lives, for what a program is linked with is never unloaded.
    let _stays = unsafe {
        madvise(
            ptr::without_provenance_mut(range.start),
            range.end.saturating_sub(range.start),
            Advice::LinuxDontNeed,
        )
    };
}

/// Where `/proc/PID/smaps` has pages of a file that are this process's own, cannot be written to, and never were
/// (`proc_pid_smaps(5)`).
fn constants(memory: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut current = None;
    for line in memory.lines() {
        if let Some(anonymous) = line.strip_prefix("Anonymous:") {
            // A page that was written to before it was made constant, as the table of addresses is, counts as anonymous.
            if anonymous.trim() == "0 kB" {
                found.extend(current.take());
            }
        } else if is_beginning(line) {
            current = of_file(line);
        }
    }
    found
}

/// Whether a line is the first one of a mapping; the others begin with the name of what they tell.
fn is_beginning(line: &str) -> bool {
    line.split_whitespace()
        .next()
        .is_some_and(|word| !word.ends_with(':'))
}

/// The range that the first line of a mapping names, where it is of a file and cannot be written to.
fn of_file(line: &str) -> Option<Range<usize>> {
    let mut words = line.splitn(6, ' ');
    let (range, rights) = (words.next()?, words.next()?);
    let path = words.nth(3)?.trim_start();
    if !matches!(rights, "r--p" | "r-xp") || !path.starts_with('/') {
        return None;
    }
    let (first, end) = range.split_once('-')?;
    let address = |text| usize::from_str_radix(text, 16).ok();
    let range = address(first)?..address(end)?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::{Spare, constants};

    #[test]
    fn only_what_a_file_holds_is_given_back() {
        let written = "Anonymous:             4 kB";
        let unwritten = "Anonymous:             0 kB";
        for (name, line, anonymous, expected) in [
            (
                "code",
                "5563271e3000-5563271e4000 r-xp 00345000 fe:00 10012446                   /usr/bin/stockade",
                unwritten,
                Some(0x5563_271e_3000..0x5563_271e_4000),
            ),
            (
                "constants of a library",
                "7f63271e3000-7f63271e5000 r--p 00000000 fe:00 10012446 /usr/lib/libc.so.6",
                unwritten,
                Some(0x7f63_271e_3000..0x7f63_271e_5000),
            ),
            (
                "code with a breakpoint of a debugger",
                "5563271e3000-5563271e4000 r-xp 00345000 fe:00 10012446 /usr/bin/stockade",
                written,
                None,
            ),
            (
                "constants that the linker has made",
                "5563271e3000-5563271e4000 r--p 00345000 fe:00 10012446 /usr/bin/stockade",
                written,
                None,
            ),
            (
                "variables that have not changed yet",
                "5563271e3000-5563271e4000 rw-p 00345000 fe:00 10012446 /usr/bin/stockade",
                unwritten,
                None,
            ),
            (
                "what is shared with others",
                "5563271e3000-5563271e4000 r--s 00345000 fe:00 10012446 /var/lib/stockade.db-shm",
                unwritten,
                None,
            ),
            (
                "no file",
                "5563271e3000-5563271e4000 r-xp 00000000 00:00 0 [vdso]",
                unwritten,
                None,
            ),
            (
                "nothing at all",
                "5563271e3000-5563271e4000 r-xp 00000000 00:00 0",
                unwritten,
                None,
            ),
        ] {
            let memory = format!("{line}\nSize:                  4 kB\n{anonymous}\nVmFlags: rd mr mw me\n");
            assert_eq!(constants(&memory), Vec::from_iter(expected), "{name}");
        }
    }

    #[test]
    fn each_mapping_is_judged_by_its_own_lines() {
        let memory = "1000-2000 r--p 0 fe:00 1 /a\nAnonymous: 4 kB\n2000-3000 r-xp 0 fe:00 1 /a\nAnonymous: 0 kB\n\
             3000-4000 rw-p 0 fe:00 1 /a\nAnonymous: 0 kB\n4000-5000 r--p 0 fe:00 1 /b\nAnonymous: 0 kB\n";
        assert_eq!(constants(memory), [0x2000..0x3000, 0x4000..0x5000]);
    }

    #[test]
    fn a_program_goes_on_without_its_code_in_memory() {
        let spare = Spare::find();
        assert!(!spare.mapped.is_empty());
        spare.give_back();
        let words: Vec<String> = (0..1000).map(|number| format!("{number:04}")).collect();
        assert_eq!(words.concat().len(), 4000);
    }
}
