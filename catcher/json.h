/* SPDX-License-Identifier: MIT */
/* What the commands that print JSON share, on top of jansson. */
#ifndef VMTI_JSON_H
#define VMTI_JSON_H

#include <jansson.h>

#include "../harness/types.h"

/* JSON integers of jansson are signed; no honest count comes near. NULL: no memory was left. */
VMTI_HIDDEN json_t *vmti_json_count(uint64_t n);

/* Text of a trace can be any bytes; JSON is UTF-8. In text that is not, each byte that is not ASCII becomes U+FFFD. */
VMTI_HIDDEN json_t *vmti_json_text(const char *text);

/* Puts a value into an object, or at the end of an array; both take it over in all cases. Once that has failed for want
 * of memory, *to is NULL and stays so. */
VMTI_HIDDEN void vmti_json_put(json_t **to, const char *key, json_t *value);
VMTI_HIDDEN void vmti_json_add(json_t **to, json_t *value);

/* Prints it on stdout, gives it back, and closes stdout. The exit status. */
VMTI_HIDDEN int vmti_json_print(json_t *value);

#endif
