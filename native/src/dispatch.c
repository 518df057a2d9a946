/* Chooses kernels once: what the processor has, or less if HOMEVEIL_CPU asks for less, so
 * that the whole suite also runs on the reference. */
#include <stdlib.h>
#include <string.h>

#include "kernels.h"

#define TABLE(set)                                                                              \
    {hv_change_##set,   hv_paint_##set,     hv_mix_rows_##set,        hv_mix_columns_##set,     \
     hv_rgb_line_##set, hv_block_sum_##set, hv_block_difference_##set}

static const hv_table scalar = TABLE(c);

#if defined(__x86_64__)
static const hv_table vector = TABLE(avx2);
static const char vector_name[] = "avx2";
static int has_vector(void) { return __builtin_cpu_supports("avx2"); }
#elif defined(__aarch64__)
static const hv_table vector = TABLE(neon);
static const char vector_name[] = "neon";
static int has_vector(void) { return 1; } /* part of the architecture */
#else
static const hv_table vector = TABLE(c);
static const char vector_name[] = "c";
static int has_vector(void) { return 0; }
#endif

const hv_table *hv_table_named(const char *name) {
    if (strcmp(name, vector_name) == 0 && has_vector()) return &vector;
    return strcmp(name, "c") == 0 ? &scalar : NULL;
}

static const hv_table *chosen(void) {
    const char *asked = getenv("HOMEVEIL_CPU");
    if (!asked || !*asked) return has_vector() ? &vector : &scalar;
    const hv_table *named = hv_table_named(asked);
    return named ? named : &scalar;
}

const hv_table *hv_dispatch(void) {
    /* Two threads may both choose; they choose alike, and a pointer is written whole. */
    static const hv_table *table;
    if (!table) table = chosen();
    return table;
}

const char *hv_cpu_name(void) { return hv_dispatch() == &vector ? vector_name : "c"; }
