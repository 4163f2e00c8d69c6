/* SPDX-License-Identifier: MIT */
/*
 * sweep PAGES ROUNDS FILE: writes a byte on each of PAGES pages in turn, ROUNDS times, and prints a sum of what is
 * there at the end. FILE, which others can read meanwhile and after its death, has two numbers of 8 bytes: the address
 * of the pages, and the number of accesses begun.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096 };

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t pages = strtoul(argv[1], NULL, 10), rounds = strtoul(argv[2], NULL, 10);
    int fd = open(argv[3], O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, PAGE))
        return 2;
    volatile uint64_t *facts = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    volatile unsigned char *memory = aligned_alloc(PAGE, pages * PAGE);
    if (facts == MAP_FAILED || !memory)
        return 2;
    facts[0] = (uintptr_t)memory;
    uint64_t begun = 0;
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < pages; i++) {
            facts[1] = ++begun;
            memory[i * PAGE] = (unsigned char)(memory[i * PAGE] * (round != 0) + i + round);
        }
    uint64_t sum = 0;
    for (size_t i = 0; i < pages; i++)
        sum = sum * 31 + memory[i * PAGE];
    printf("%ju\n", (uintmax_t)sum);
    return 3;
}
