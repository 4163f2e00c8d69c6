// SPDX-License-Identifier: MIT
//! A region, an exact count and a budget in Rust, with no crate: `rustc budget.rs -L DIR -l vmt`. Vec, Box and the rest
//! use malloc, so all of the heap is tracked, and the sites are those of Rust's allocator functions.
use std::ffi::{c_char, c_int, c_void, CStr};
use std::process::exit;

#[repr(C)]
struct Verdict {
    outcome: c_int,
    budget: u64,
    actual: u64,
    text: [c_char; 4096],
}

extern "C" {
    fn vmt_begin(config: *const c_void) -> c_int;
    fn vmt_end(report: *mut *mut c_void) -> c_int;
    fn vmt_track(start: *const c_void, bytes: usize, label: *const c_char) -> c_int;
    fn vmt_error_text() -> *const c_char;
    fn vmt_report_label_pages(report: *const c_void, label: *const c_char) -> u64;
    fn vmt_check_label_at_most(report: *const c_void, label: *const c_char, budget: u64, verdict: *mut Verdict) -> bool;
    fn vmt_report_free(report: *mut c_void);
}

const PAGE: usize = 4096;
const PAGES: usize = 40;
const ITEMS: *const c_char = b"items\0".as_ptr() as *const c_char;

fn succeed(error: c_int) {
    if error != 0 {
        let text = unsafe { CStr::from_ptr(vmt_error_text()) }.to_string_lossy().into_owned();
        println!("{}{}", if error == -95 { "SKIP: " } else { "" }, text); // -95: ENOTSUP
        exit(if error == -95 { 77 } else { 1 });
    }
}

fn main() {
    let mut items = vec![0u8; (PAGES + 1) * PAGE];
    let first = items.as_ptr().align_offset(PAGE);
    let mut report: *mut c_void = std::ptr::null_mut();
    let mut verdict = Verdict { outcome: 0, budget: 0, actual: 0, text: [0; 4096] };

    succeed(unsafe { vmt_track(items.as_ptr().add(first) as *const c_void, PAGES * PAGE, ITEMS) });
    succeed(unsafe { vmt_begin(std::ptr::null()) });
    for page in (0..PAGES).step_by(4) {
        items[first + page * PAGE] += 1;
    }
    succeed(unsafe { vmt_end(&mut report) });

    let touched = unsafe { vmt_report_label_pages(report, ITEMS) };
    let held = unsafe { vmt_check_label_at_most(report, ITEMS, 10, &mut verdict) };
    let broken = unsafe { !vmt_check_label_at_most(report, ITEMS, 9, &mut verdict) };
    println!("touched {} pages of the items; a budget of 10 {}", touched, if held { "held" } else { "is broken" });
    println!("a budget of 9: {}", unsafe { CStr::from_ptr(verdict.text.as_ptr()) }.to_string_lossy());
    unsafe { vmt_report_free(report) };
    exit(if touched == 10 && held && broken && items[first] == 1 { 0 } else { 1 });
}
