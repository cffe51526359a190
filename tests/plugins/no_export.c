/* tests/plugins/no_export.c: a shared object, but no plugin. */
extern int something_else;
int something_else = 1;
