/* tools/perdure/main.c: the one binary. */
#include "tools/perdure/commands.h"

int main(int argc, char **argv)
{
    return perdure_main(argc, argv);
}
