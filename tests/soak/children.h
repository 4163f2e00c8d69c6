/* SPDX-License-Identifier: MIT */
#ifndef SOAK_CHILDREN_H
#define SOAK_CHILDREN_H

/* main of a process that was made by execve: `soak --child WHAT ARGUMENT`. */
int soak_child_main(int count, char **arguments);

/* Removes the folder of this run and what is in it. */
void soak_remove_folder(void);

#endif
