/* Runs every program by doing what the trial asks its shell for. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *out = getenv("out");
    FILE *file = out ? fopen(out, "w") : NULL;

    return !file || fputs("run\n", file) < 0 || fclose(file) != 0;
}
