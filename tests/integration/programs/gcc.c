/* SPDX-License-Identifier: MIT */
/* Something to compile: a little of everything, and few headers. */
#include <stddef.h>

struct pair {
    int key;
    double value;
};

static int less(const struct pair *a, const struct pair *b)
{
    return a->key < b->key || (a->key == b->key && a->value < b->value);
}

void sort_pairs(struct pair *pairs, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct pair moved = pairs[i];
        size_t j = i;
        for (; j > 0 && less(&moved, &pairs[j - 1]); j--)
            pairs[j] = pairs[j - 1];
        pairs[j] = moved;
    }
}

unsigned state_machine(const char *text)
{
    enum { START, WORD, NUMBER } state = START;
    unsigned words = 0, numbers = 0;
    for (; *text; text++) {
        switch (state) {
        case START:
            if (*text >= '0' && *text <= '9')
                state = NUMBER;
            else if (*text != ' ')
                state = WORD;
            break;
        case WORD:
            if (*text == ' ') {
                words++;
                state = START;
            }
            break;
        case NUMBER:
            if (*text == ' ') {
                numbers++;
                state = START;
            }
            break;
        }
    }
    return words << 16 | numbers;
}

double polynomial(const double *coefficients, int degree, double x)
{
    double sum = 0;
    while (degree >= 0)
        sum = sum * x + coefficients[degree--];
    return sum;
}
