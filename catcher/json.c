/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"

json_t *vmti_json_count(uint64_t n)
{
    return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *vmti_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    size_t bytes = strlen(text);
    char *clean = malloc(bytes * 3 + 1), *at = clean;
    if (!clean)
        return NULL;
    for (size_t i = 0; i < bytes; i++) {
        if ((unsigned char)text[i] < 0x80) {
            *at++ = text[i];
        } else {
            memcpy(at, "\xef\xbf\xbd", 3);
            at += 3;
        }
    }
    *at = '\0';
    value = json_string(clean);
    free(clean);
    return value;
}

static void check(json_t **to, int error)
{
    if (error) {
        json_decref(*to);
        *to = NULL;
    }
}

void vmti_json_put(json_t **to, const char *key, json_t *value)
{
    if (*to)
        check(to, json_object_set_new(*to, key, value)); /* takes NULL for the failure that it is */
    else
        json_decref(value);
}

void vmti_json_add(json_t **to, json_t *value)
{
    if (*to)
        check(to, json_array_append_new(*to, value));
    else
        json_decref(value);
}

int vmti_json_print(json_t *value)
{
    if (!value) {
        vmti_cmd_error("no memory was left");
        return VMTI_EXIT_FAILED;
    }
    json_dumpf(value, stdout, JSON_INDENT(2)); /* its failures are stdout's */
    putchar('\n');
    int output = errno;
    json_decref(value);
    errno = output;
    return vmti_cmd_close_stdout();
}
