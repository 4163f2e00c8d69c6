#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""A region, an exact count and a budget in Python, by ctypes alone. libvmt's malloc must be there before the first one:

    VMT_LIBRARY=libvmt.so.0 LD_PRELOAD=$VMT_LIBRARY python3 budget.py

Python's own small objects live in arenas that it maps itself: those from before the region are not tracked. What goes
through malloc is: objects above 512 bytes, ctypes' arrays, numpy's; with PYTHONMALLOC=malloc every object.
"""
import ctypes
import os
import sys

PAGE, PAGES = 4096, 40

vmt = ctypes.CDLL(os.environ.get("VMT_LIBRARY", "libvmt.so.0"))
for name, result, *arguments in (
        ("vmt_error_text", ctypes.c_char_p),
        ("vmt_begin", ctypes.c_int, ctypes.c_void_p),
        ("vmt_end", ctypes.c_int, ctypes.POINTER(ctypes.c_void_p)),
        ("vmt_track", ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p),
        ("vmt_report_label_pages", ctypes.c_uint64, ctypes.c_void_p, ctypes.c_char_p),
        ("vmt_check_label_at_most", ctypes.c_bool, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_void_p),
        ("vmt_report_free", None, ctypes.c_void_p)):
    getattr(vmt, name).restype = result
    getattr(vmt, name).argtypes = arguments


class Verdict(ctypes.Structure):
    _fields_ = [("outcome", ctypes.c_int), ("budget", ctypes.c_uint64), ("actual", ctypes.c_uint64),
                ("text", ctypes.c_char * 4096)]


def succeed(error):
    if error == -95:  # ENOTSUP
        print("SKIP:", vmt.vmt_error_text().decode())
        sys.exit(77)
    if error:
        sys.exit(vmt.vmt_error_text().decode())


memory = bytearray((PAGES + 1) * PAGE)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
first = -start % PAGE  # the first byte of a page
succeed(vmt.vmt_track(start + first, PAGES * PAGE, b"items"))

report = ctypes.c_void_p()
succeed(vmt.vmt_begin(None))
for page in range(0, PAGES, 4):
    memory[first + page * PAGE] += 1
succeed(vmt.vmt_end(ctypes.byref(report)))

touched = vmt.vmt_report_label_pages(report, b"items")
verdict = Verdict()
held = vmt.vmt_check_label_at_most(report, b"items", 10, ctypes.byref(verdict))
broken = not vmt.vmt_check_label_at_most(report, b"items", 9, ctypes.byref(verdict))
vmt.vmt_report_free(report)
print(f"touched {touched} pages of the items; a budget of 10 {'held' if held else 'is broken'}")
print("a budget of 9:", verdict.text.decode())
sys.exit(0 if touched == 10 and held and broken else 1)
