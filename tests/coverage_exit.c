/* SPDX-License-Identifier: MIT */
/* Linked into tests that count coverage (-Wl,--wrap=_exit): a child that ends by _exit leaves its counts as well. */
void vmt_coverage_dump(void);
void __real__exit(int status) __attribute__((noreturn));
void __wrap__exit(int status) __attribute__((noreturn));

void __wrap__exit(int status)
{
    vmt_coverage_dump();
    __real__exit(status);
}
