//! What the code under test may ask of memory, and who counts it: hooks on every allocation of the process, those of
//! zstd's C included, which AddressSanitizer calls. Where it is not there, nobody counts. The one module of this package with
//! unsafe code.

#[cfg(fuzzing)]
pub use counted::within;

/// How much may be asked for while one step is under way.
#[derive(Clone, Copy, Debug)]
pub struct Allowance {
    /// Bytes of any one allocation.
    pub single: usize,
    /// Bytes held at once by all of them.
    pub total: usize,
}

/// Runs `step`.
#[cfg(not(fuzzing))]
pub fn within<T>(_: Allowance, step: impl FnOnce() -> T) -> T {
    step()
}

#[cfg(fuzzing)]
mod counted {
    use std::ffi::{c_int, c_void};
    use std::sync::Once;
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};

    use super::Allowance;

    static COUNTING: AtomicBool = AtomicBool::new(false);
    static SINGLE: AtomicUsize = AtomicUsize::new(0);
    static TOTAL: AtomicUsize = AtomicUsize::new(0);
    static HELD: AtomicI64 = AtomicI64::new(0);

    /// Runs `step` and ends the process with a sentence when it asks for more than `allowance`.
    pub fn within<T>(allowance: Allowance, step: impl FnOnce() -> T) -> T {
        static INSTALL: Once = Once::new();
        INSTALL.call_once(|| {
            // SAFETY: both functions live as long as the process and are called as declared.
            let installed = unsafe { __sanitizer_install_malloc_and_free_hooks(allocated, freed) };
            assert!(installed > 0, "without its hooks nothing is counted");
            // A counter that counts nothing would let everything pass.
            HELD.store(0, Relaxed);
            SINGLE.store(i64::MAX as usize, Relaxed);
            TOTAL.store(i64::MAX as usize, Relaxed);
            COUNTING.store(true, Relaxed);
            let probe = std::hint::black_box(Vec::<u8>::with_capacity(12_345));
            assert!(HELD.load(Relaxed) >= 12_345, "the hooks do not see what this program allocates");
            drop(probe);
            assert!(HELD.load(Relaxed) < 12_345, "the hooks do not see what this program gives back");
            COUNTING.store(false, Relaxed);
        });
        HELD.store(0, Relaxed);
        SINGLE.store(allowance.single, Relaxed);
        TOTAL.store(allowance.total, Relaxed);
        COUNTING.store(true, Relaxed);
        let done = step();
        COUNTING.store(false, Relaxed);
        done
    }

    unsafe extern "C" {
        fn __sanitizer_install_malloc_and_free_hooks(
            allocated: extern "C" fn(*const c_void, usize),
            freed: extern "C" fn(*const c_void),
        ) -> c_int;
        fn __sanitizer_get_allocated_size(at: *const c_void) -> usize;
    }

    extern "C" fn allocated(_at: *const c_void, size: usize) {
        if !COUNTING.load(Relaxed) {
            return;
        }
        let held = HELD.fetch_add(size as i64, Relaxed) + size as i64;
        let (single, total) = (SINGLE.load(Relaxed), TOTAL.load(Relaxed));
        if size > single {
            end(format_args!("one allocation of {size} bytes, where {single} are allowed"));
        }
        if held > total as i64 {
            end(format_args!("{held} bytes are held at once, where {total} are allowed"));
        }
    }

    extern "C" fn freed(at: *const c_void) {
        if COUNTING.load(Relaxed) && !at.is_null() {
            // SAFETY: the sanitizer hands over a block that it allocated and has not given back yet.
            let size = unsafe { __sanitizer_get_allocated_size(at) };
            HELD.fetch_sub(size as i64, Relaxed);
        }
    }

    fn end(what: std::fmt::Arguments<'_>) -> ! {
        COUNTING.store(false, Relaxed);
        eprintln!("too much memory: {what}\n{}", std::backtrace::Backtrace::force_capture());
        std::process::abort()
    }
}
