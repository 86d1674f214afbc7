//! PCRE2: compiling a pattern, and one attempt to find it. The interpreter only: nothing here writes executable memory.

use pcre2_sys as pcre;
use std::ptr::{self, NonNull};

/// What one attempt found.
pub(crate) enum Attempt {
    /// It matches.
    Match,
    /// No match starts where one was looked for.
    Nothing,
    /// What begins at this byte matches as far as the subject goes.
    Partial(usize),
    /// PCRE2 gave up: a limit was reached, most of the time.
    GaveUp,
}

/// A compiled pattern with all that an attempt needs.
pub(crate) struct Code {
    code: NonNull<pcre::pcre2_code_8>,
    context: NonNull<pcre::pcre2_match_context_8>,
    data: NonNull<pcre::pcre2_match_data_8>,
}

// SAFETY: the three objects belong to this value alone, and PCRE2 ties none of them to a thread: it may be used by one after
// the other. Every use that writes to one of them borrows the value mutably.
unsafe impl Send for Code {}

impl Code {
    /// Compiles a pattern. Error: the number of PCRE2, and the byte of the pattern.
    pub(crate) fn compile(pattern: &[u8], options: u32) -> Result<Code, (i32, usize)> {
        let (mut error, mut at) = (0, 0);
        // SAFETY: pointer and length describe `pattern`, which is only read; `error` and `at` are written before the call
        // returns; no context is given, which PCRE2 allows.
        let code = unsafe {
            pcre::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options,
                &raw mut error,
                &raw mut at,
                ptr::null_mut(),
            )
        };
        let code = NonNull::new(code).ok_or((error, at))?;
        // SAFETY: no general context is given, which PCRE2 allows; the result is checked below.
        let context = NonNull::new(unsafe { pcre::pcre2_match_context_create_8(ptr::null_mut()) });
        // SAFETY: `code` was made above; the result is checked below.
        let data = unsafe { pcre::pcre2_match_data_create_from_pattern_8(code.as_ptr(), ptr::null_mut()) };
        match (context, NonNull::new(data)) {
            (Some(context), Some(data)) => Ok(Code { code, context, data }),
            (context, data) => {
                // SAFETY: each was made above, belongs to nobody else and is used no more; null is allowed.
                unsafe {
                    pcre::pcre2_match_context_free_8(context.map_or(ptr::null_mut(), NonNull::as_ptr));
                    pcre::pcre2_match_data_free_8(data.map_or(ptr::null_mut(), NonNull::as_ptr));
                    pcre::pcre2_code_free_8(code.as_ptr());
                }
                Err((pcre::PCRE2_ERROR_NOMEMORY, 0))
            }
        }
    }

    /// Sets the steps of one attempt at one byte, and the KiB it may use.
    pub(crate) fn limit(&mut self, steps: u32, heap: u32) {
        // SAFETY: the context is alive as long as `self`; the calls store two numbers in it.
        unsafe {
            pcre::pcre2_set_match_limit_8(self.context.as_ptr(), steps);
            pcre::pcre2_set_heap_limit_8(self.context.as_ptr(), heap);
        }
    }

    /// A number PCRE2 tells about the pattern (`PCRE2_INFO_...` of type `uint32_t`).
    pub(crate) fn info(&self, what: u32) -> u32 {
        let mut value: u32 = 0;
        // SAFETY: `code` is alive as long as `self`; the callers ask for numbers of 32 bits only, for which there is room.
        let result = unsafe { pcre::pcre2_pattern_info_8(self.code.as_ptr(), what, (&raw mut value).cast()) };
        if result == 0 { value } else { 0 }
    }

    /// Looks for a match that starts at the bytes from `first` to `last`. The pattern was compiled with
    /// `PCRE2_USE_OFFSET_LIMIT`.
    pub(crate) fn attempt(&mut self, subject: &[u8], first: usize, last: usize, options: u32) -> Attempt {
        if first > subject.len() {
            return Attempt::Nothing;
        }
        // SAFETY: all three objects are alive as long as `self`, which is borrowed alone; pointer and length describe
        // `subject`, which lives until the call returns and is only read. PCRE2 keeps the pointer in `data` until the
        // next match, but nothing here reads the subject through it.
        let result = unsafe {
            pcre::pcre2_set_offset_limit_8(self.context.as_ptr(), last);
            pcre::pcre2_match_8(
                self.code.as_ptr(),
                subject.as_ptr(),
                subject.len(),
                first,
                options,
                self.data.as_ptr(),
                self.context.as_ptr(),
            )
        };
        match result {
            0.. => Attempt::Match,
            pcre::PCRE2_ERROR_NOMATCH => Attempt::Nothing,
            pcre::PCRE2_ERROR_PARTIAL => {
                // SAFETY: the vector has at least one pair, and after a partial match the first is set.
                let from = unsafe { *pcre::pcre2_get_ovector_pointer_8(self.data.as_ptr()) };
                Attempt::Partial(from)
            }
            _ => Attempt::GaveUp,
        }
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        // SAFETY: all three were made in `compile`, belong to nobody else, and are used no more.
        unsafe {
            pcre::pcre2_match_data_free_8(self.data.as_ptr());
            pcre::pcre2_match_context_free_8(self.context.as_ptr());
            pcre::pcre2_code_free_8(self.code.as_ptr());
        }
    }
}

/// The text of an error number.
pub(crate) fn message(error: i32) -> String {
    let mut text = [0_u8; 256];
    // SAFETY: pointer and length describe `text`; what is written there ends with a zero, if there is room for one byte.
    let result = unsafe { pcre::pcre2_get_error_message_8(error, text.as_mut_ptr(), text.len()) };
    if result < 0 && result != pcre::PCRE2_ERROR_NOMEMORY {
        return format!("Unknown regex error {error}");
    }
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(text.get(..end).unwrap_or_default()).into_owned()
}
