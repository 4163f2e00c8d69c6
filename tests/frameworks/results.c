/* SPDX-License-Identifier: MIT */
/* results PROCESSES THREADS TIMES: that many processes of that many threads add a result with odd texts so often, at
 * once. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vmt/vmt.h>

static int times;

static void *add_results(void *thread)
{
    char test[32];
    vmt_verdict verdict = {.outcome = VMT_BROKEN, .budget = UINT64_MAX, .actual = 1};
    snprintf(test, sizeof test, "%ld/%ld", (long)getpid(), (long)(intptr_t)thread);
    /* Quotes, markup, control characters, what is no UTF-8 or no character of XML, and some that are. */
    strcpy(verdict.text,
           "<a b=\"c\" d='e'>&amp;]]>\\\n\ttab\x01\x1b\x7f \xff\xc0\x80\xed\xa0\x80\xef\xbf\xbf "
           "\xc3\xa9\xe2\x96\x88\xf0\x9f\x98\x80 \xe2\x96");
    for (int i = 0; i < times; i++)
        if (vmt_result_add(NULL, &verdict, "check(\"<&>\")", test, "a \"file\".c", i))
            exit(2);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int processes = atoi(argv[1]), threads = atoi(argv[2]), status, failed = 0;
    times = atoi(argv[3]);
    for (int i = 0; i < processes; i++)
        if (fork() == 0) {
            pthread_t made[16];
            for (long j = 0; j < threads; j++)
                pthread_create(&made[j], NULL, add_results, (void *)(intptr_t)j);
            for (long j = 0; j < threads; j++)
                pthread_join(made[j], NULL);
            return 0;
        }
    while (wait(&status) > 0)
        failed += status != 0;
    return failed != 0;
}
