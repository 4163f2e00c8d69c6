// SPDX-License-Identifier: MIT

// A region, an exact count and a budget in Go, by cgo. Go's own heap is mapped by its runtime, which uses no malloc:
// nothing of it is tracked, and it must not be, for its garbage collector and its stacks are in it. What C code
// allocates is. The goroutine stays on its thread, because a region is ended by the thread that began it.
package main

/*
#include <stdlib.h>
#include <vmt/vmt.h>
*/
import "C"

import (
	"fmt"
	"os"
	"runtime"
	"unsafe"
)

const page, pages = 4096, 40

func succeed(err C.int) {
	if err == -95 { // ENOTSUP
		fmt.Println("SKIP:", C.GoString(C.vmt_error_text()))
		os.Exit(77)
	}
	if err != 0 {
		fmt.Println(C.GoString(C.vmt_error_text()))
		os.Exit(1)
	}
}

func main() {
	runtime.LockOSThread()
	label := C.CString("items")
	memory := C.aligned_alloc(page, page*pages)
	items := unsafe.Slice((*byte)(memory), page*pages)
	succeed(C.vmt_track(memory, page*pages, label))

	var report *C.vmt_report
	succeed(C.vmt_begin(nil))
	for i := 0; i < pages; i += 4 {
		items[i*page] = 1
	}
	succeed(C.vmt_end(&report))

	var verdict C.vmt_verdict
	touched := C.vmt_report_label_pages(report, label)
	held := C.vmt_check_label_at_most(report, label, 10, &verdict)
	broken := !C.vmt_check_label_at_most(report, label, 9, &verdict)
	fmt.Printf("touched %d pages of the items; a budget of 10 held: %v\n", touched, bool(held))
	fmt.Println("a budget of 9:", C.GoString(&verdict.text[0]))
	C.vmt_report_free(report)
	if touched != 10 || !bool(held) || !bool(broken) {
		os.Exit(1)
	}
}
