/* tests/unit/actors/native/test_plugin.c: plugins are taken, or refused with a sentence that names file and fault. The
 * plugins are built from tests/plugins. */
#include "actors/native/plugin.h"

#include <stdlib.h>
#include <unistd.h>

#include "actors/registry.h"
#include "tests/lib/test.h"

static const char *path_of(const char *name)
{
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s.so", PLUGINS, name);
    return path;
}

static unsigned count_types(const struct plugins *plugins)
{
    unsigned count = 0;
    while (plugins_types(plugins)[count] != NULL) {
        count++;
    }
    return count;
}

TEST(none_at_first)
{
    struct plugins *plugins = plugins_new();
    EXPECT_INT(count_types(plugins), 0);
    plugins_free(plugins);
}

TEST(good_ones_are_taken_and_fit_a_registry)
{
    const char *why = "";
    struct plugins *plugins = plugins_new();
    struct registry *registry = registry_new();
    REQUIRE(plugins_load(plugins, path_of("good"), &why) == PDR_OK);
    REQUIRE(plugins_load(plugins, path_of("second"), &why) == PDR_OK);
    REQUIRE(count_types(plugins) == 3);
    EXPECT_STR(plugins_types(plugins)[0]->name, "greeter");
    EXPECT_STR(plugins_types(plugins)[1]->name, "quiet");
    EXPECT_STR(plugins_types(plugins)[2]->name, "idler");
    registry_add_builtin(registry);
    for (unsigned i = 0; i < 3; i++) {
        EXPECT(registry_add(registry, plugins_types(plugins)[i], &why) == PDR_OK);
    }
    EXPECT(registry_find(registry, pdr_str("idler")) != NULL);
    registry_free(registry);
    plugins_free(plugins);
}

TEST(a_name_without_a_slash_is_a_file_here)
{
    const char *why = "";
    struct plugins *plugins = plugins_new();
    REQUIRE(chdir(PLUGINS) == 0);
    EXPECT(plugins_load(plugins, "good.so", &why) == PDR_OK);
    plugins_free(plugins);
}

/* Each fault, and what its sentence must say. */
static const struct {
    const char *file, *says;
} wrong[] = {
    {"other_abi", "actor ABI 99, and this node has 2"},
    {"other_size", "has 8 bytes"},
    {"no_export", "exports no pdr_plugin"},
    {"no_types", "no types"},
    {"undefined", "pdr_of_tomorrow"},
    {"builtin_name", "type counter is builtin already"},
    {"type_abi", "actor ABI 7, and this node has 2"},
    {"type_name", "\"Upper Case\" cannot name a type"},
    {"type_slash", "\"a/b\" cannot name a type"},
    {"type_none", "cannot name a type"},
    {"type_system", "type _sys: names that begin with _ are the system's"},
    {"type_memory", "type greedy: its memory is 1073741824 bytes"},
    {"type_durability", "type odd: its durability is 9"},
    {"type_methods", "type bare has no methods"},
    {"method_name", "type tested: \"not fine\" cannot name a method"},
    {"method_dot", "type tested: \"not.fine\" cannot name a method"},
    {"method_twice", "type tested has two methods fine"},
    {"method_function", "type tested: method empty has no function"},
    {"method_flags", "type tested: method strange has flags"},
    {"method_interleave", "type tested: method strange interleaves and is no reader"},
    {"type_flags", "type tested has flags"},
    {"absent", "No such file"},
};

TEST(wrong_ones_are_refused_with_file_and_fault)
{
    struct plugins *plugins = plugins_new();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *why = "";
        char file[64];
        snprintf(file, sizeof file, "/%s.so: ", wrong[i].file);
        EXPECT(plugins_load(plugins, path_of(wrong[i].file), &why) == PDR_INVALID);
        bool says = strstr(why, wrong[i].says) != NULL && strstr(why, file) != NULL;
        if (!says) {
            fprintf(stderr, "%s\n", why);
        }
        EXPECT(says);
        EXPECT_INT(count_types(plugins), 0);
    }
    plugins_free(plugins);
}

TEST(a_type_can_be_there_once)
{
    const char *why = "";
    struct plugins *plugins = plugins_new();
    REQUIRE(plugins_load(plugins, path_of("good"), &why) == PDR_OK);
    EXPECT(plugins_load(plugins, path_of("good"), &why) == PDR_INVALID);
    EXPECT(strstr(why, "type greeter is there already") != NULL);
    EXPECT(plugins_load(plugins, path_of("same_name"), &why) == PDR_INVALID);
    EXPECT(strstr(why, "type greeter is there already") != NULL);
    EXPECT_INT(count_types(plugins), 2);
    plugins_free(plugins);
}

TEST(a_file_that_is_no_shared_object)
{
    const char *why = "";
    char path[1024];
    struct plugins *plugins = plugins_new();
    snprintf(path, sizeof path, "%s/text.so", test_dir());
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL && fputs("hello\n", file) >= 0 && fclose(file) == 0);
    EXPECT(plugins_load(plugins, path, &why) == PDR_INVALID);
    EXPECT(strstr(why, "/text.so: file too short") != NULL);
    plugins_free(plugins);
}

TEST_MAIN()
