/* Chooses kernels once: scalar first, replaced upward by what the processor has.
 * HOMEVEIL_CPU=c lowers it, so that the whole suite also runs on the reference. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

static const hv_table scalar = {hv_change_c};

#if defined(__x86_64__)
static const hv_table avx2 = {hv_change_avx2};

static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }
#endif

const hv_table *hv_table_named(const char *name) {
    if (strcmp(name, "c") == 0) return &scalar;
#if defined(__x86_64__)
    if (strcmp(name, "avx2") == 0 && has_avx2()) return &avx2;
#endif
    return NULL;
}

static const hv_table *chosen(void) {
    const char *asked = getenv("HOMEVEIL_CPU");
    if (asked && strcmp(asked, "c") == 0) return &scalar;
#if defined(__x86_64__)
    if (has_avx2()) return &avx2;
#endif
    return &scalar;
}

const hv_table *hv_dispatch(void) {
    /* Two threads may both choose; they choose alike, and a pointer is written whole. */
    static const hv_table *table;
    if (!table) table = chosen();
    return table;
}

const char *hv_cpu_name(void) { return hv_dispatch() == &scalar ? "c" : "avx2"; }
