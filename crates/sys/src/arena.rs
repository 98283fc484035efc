//! The memory of a program that reads, prints and ends.
//!
//! In: how much it may take at most. Out: memory from one piece of the address space, handed out one after the other
//! and given back by the end of the process; what does not fit comes from the system's allocator.
//!
//! Invariant: a program that never opens its arena has the system's allocator and nothing else.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

/// How large the pages are that the arena asks for: one of them is cheaper than hundreds of the small ones.
const HUGE_PAGE: usize = 2 << 20;

/// Where the arena begins and ends; both are 0 until it is open. They change once.
static FIRST: AtomicUsize = AtomicUsize::new(0);
static END: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// What the thread that opened the arena is given next; null in every other one.
    static NEXT: Cell<*mut u8> = const { Cell::new(ptr::null_mut()) };
}

/// The allocator to name as `#[global_allocator]` of such a program.
#[derive(Debug, Clone, Copy, Default)]
pub struct Arena;

impl Arena {
    /// From now on this thread takes its memory from a piece of `bytes` bytes, and what it frees of it is lost until
    /// the process ends. Only the pages in use count. Does nothing the second time, and nothing where the system has no
    /// room for it.
    #[expect(unsafe_code, reason = "mmap and madvise have no safe face")]
    pub fn open(bytes: usize) {
        if FIRST.load(Ordering::Relaxed) != 0 {
            return;
        }
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: an anonymous mapping at a place of the kernel's choice touches nothing that exists.
        let Ok(mapped) = (unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                bytes + HUGE_PAGE,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        }) else {
            return;
        };
        let first = mapped
            .cast::<u8>()
            .map_addr(|address| address.next_multiple_of(HUGE_PAGE));
        // SAFETY: the range lies in the mapping, which has one huge page more than asked for; huge pages change nothing
        // of what it holds. Where the system has none, the small ones do.
        let _without = unsafe { madvise(first.cast(), bytes, Advice::LinuxHugepage) };
        END.store(first.addr() + bytes, Ordering::Relaxed);
        FIRST.store(first.addr(), Ordering::Relaxed);
        NEXT.set(first);
    }
}

/// Whether the arena has handed this out.
fn is_ours(memory: *mut u8) -> bool {
    (FIRST.load(Ordering::Relaxed)..END.load(Ordering::Relaxed)).contains(&memory.addr())
}

/// The next piece of the arena; nothing where it is closed, used up, or another thread's.
fn take(layout: Layout) -> Option<*mut u8> {
    let next = NEXT.get();
    if next.is_null() {
        return None;
    }
    let address = next.addr().checked_next_multiple_of(layout.align())?;
    let end = address.checked_add(layout.size())?;
    if end > END.load(Ordering::Relaxed) {
        return None;
    }
    NEXT.set(next.with_addr(end));
    Some(next.with_addr(address))
}

/// Whether nothing was handed out after this piece.
fn is_last(memory: *mut u8, layout: Layout) -> bool {
    memory.addr() + layout.size() == NEXT.get().addr()
}

#[expect(unsafe_code, reason = "an allocator has no safe face")]
// SAFETY: a piece of the arena is aligned as asked, lies within the mapping, which is never unmapped, and overlaps no
// other, for `NEXT` only moves past what is handed out, and back over the last piece when that is freed. Everything
// else is the system allocator's, with the layout it was asked for.
unsafe impl GlobalAlloc for Arena {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match take(layout) {
            Some(memory) => memory,
            // SAFETY: the caller's promises are passed on.
            None => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match take(layout) {
            Some(memory) => {
                // It may have been in use before.
                // SAFETY: so many bytes were just handed out.
                unsafe { memory.write_bytes(0, layout.size()) };
                memory
            }
            // SAFETY: the caller's promises are passed on.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if !is_ours(memory) {
            // SAFETY: what is not the arena's was the system's.
            unsafe { System.dealloc(memory, layout) };
        } else if is_last(memory, layout) {
            NEXT.set(memory);
        }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !is_ours(memory) {
            // SAFETY: what is not the arena's was the system's.
            return unsafe { System.realloc(memory, layout, size) };
        }
        let end = memory.addr().saturating_add(size);
        if is_last(memory, layout) && end <= END.load(Ordering::Relaxed) {
            NEXT.set(memory.with_addr(end));
            return memory;
        }
        if size <= layout.size() {
            return memory;
        }
        // SAFETY: the caller promises that the size, rounded up to this alignment, is possible.
        let wider = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: as for any other request.
        let moved = unsafe { self.alloc(wider) };
        if !moved.is_null() {
            // SAFETY: the old piece has so many bytes, the new one more, and they do not overlap.
            unsafe { ptr::copy_nonoverlapping(memory, moved, layout.size()) };
        }
        moved
    }
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the tests ask the allocator as the language does")]
mod tests {
    use super::*;

    fn layout(size: usize, align: usize) -> Layout {
        Layout::from_size_align(size, align).unwrap()
    }

    fn alloc(layout: Layout) -> *mut u8 {
        // SAFETY: no layout here is empty.
        unsafe { Arena.alloc(layout) }
    }

    fn dealloc(memory: *mut u8, layout: Layout) {
        // SAFETY: each piece is freed once, with the layout it has.
        unsafe { Arena.dealloc(memory, layout) }
    }

    fn realloc(memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: each piece is grown with the layout it has, and by its new place from then on.
        unsafe { Arena.realloc(memory, layout, size) }
    }

    fn holds(memory: *mut u8, size: usize, byte: u8) -> bool {
        // SAFETY: the piece is in use, has so many bytes, and they were written.
        unsafe { std::slice::from_raw_parts(memory, size) }
            .iter()
            .all(|held| *held == byte)
    }

    #[test]
    fn it_hands_out_what_does_not_overlap_and_keeps_what_grows() {
        // The arena belongs to the thread that opens it.
        let user = std::thread::spawn(|| {
            let before = alloc(layout(100, 8));
            assert!(!is_ours(before), "closed");
            Arena::open(1 << 20);
            dealloc(before, layout(100, 8));

            let first = alloc(layout(3, 1));
            let second = alloc(layout(64, 64));
            assert!(is_ours(first) && is_ours(second), "open");
            assert_eq!(second.addr() % 64, 0, "aligned");
            assert!(second.addr() >= first.addr() + 3, "apart");

            // SAFETY: it has so many bytes.
            unsafe { second.write_bytes(7, 64) };
            let grown = realloc(second, layout(64, 64), 128);
            assert_eq!(grown, second, "the last one grows where it is");
            let third = alloc(layout(8, 8));
            let moved = realloc(grown, layout(128, 64), 256);
            assert_ne!(moved, grown, "any other one moves");
            assert!(holds(moved, 64, 7), "with what it holds");
            assert_eq!(realloc(third, layout(8, 8), 4), third, "a smaller one stays");

            dealloc(moved, layout(256, 64));
            // SAFETY: the layout is not empty.
            let zeroed = unsafe { Arena.alloc_zeroed(layout(256, 64)) };
            assert_eq!(zeroed, moved, "the last one's place is taken again");
            assert!(holds(zeroed, 256, 0), "and is clean");

            let large = alloc(layout(1 << 20, 8));
            assert!(
                !large.is_null() && !is_ours(large),
                "what does not fit is the system's"
            );
            dealloc(large, layout(1 << 20, 8));
        });
        user.join().unwrap();
        let elsewhere = alloc(layout(1, 1));
        assert!(!is_ours(elsewhere), "another thread has the system's");
        dealloc(elsewhere, layout(1, 1));
    }
}
