/* tools/perdure/main.c: the one binary. */
#include "tools/perdure/commands.h"

int main(int argc, char **argv)
{
    int status = perdure_main(argc, argv);
    if (fflush(stdout) != 0 && status == EXIT_DONE) { /* a full disk behind a pipe: not done after all */
        perror("perdure: standard output");
        status = EXIT_FAILED;
    }
    return status;
}
