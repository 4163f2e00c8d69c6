/* SPDX-License-Identifier: MIT */
/* Pages by where they were allocated, as lines "frame;frame pages": for flamegraph.pl, speedscope and Perfetto. */
#define _GNU_SOURCE
#include "formats.h"

#include <inttypes.h>
#include <string.h>

#include "cmd.h"

/* A frame ends at ';', and the line's number is after its last space. */
static void put_frame(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == ';')
            putc(':', out);
        else
            vmti_cmd_put_text(out, text, 1, false);
    }
}

int vmti_report_collapsed(struct vmti_study *study, FILE *out)
{
    const struct vmti_study_groups *sites = &study->by[VMTI_BY_SITE];
    const char *command = study->reader.header.command_bytes ? study->reader.command : "";
    const char *slash = strrchr(command, '/');
    command = slash ? slash + 1 : command;
    for (size_t i = 0; i < sites->count; i++) {
        put_frame(out, *command ? command : "program");
        putc(';', out);
        const char *site = vmti_study_site(study, sites->groups[i].key.number);
        put_frame(out, *site ? site : "not known");
        fprintf(out, " %" PRIu64 "\n", sites->groups[i].pages);
    }
    return 0;
}
