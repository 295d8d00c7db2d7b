//! An allocator that counts, for tests that say what something costs in memory; other crates' tests use it too.
//! It tells nobody apart: a test that uses it is alone in its file, since a process has one allocator.
#![allow(unsafe_code)] // it can only be written so

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// A moment, and what was allocated then.
pub(crate) struct Since(usize);

impl Since {
    pub(crate) fn now() -> Since {
        let before = NOW.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        Since(before)
    }

    /// Bytes at the worst moment since, above those at its beginning.
    pub(crate) fn most(&self) -> u64 {
        (PEAK.load(Ordering::Relaxed) - self.0) as u64
    }
}

struct Counting;

// SAFETY: everything is handed to the system's allocator, with the layouts that came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(now, Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
